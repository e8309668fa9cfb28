using System.Text.Json;

namespace Hybrid.Host.Checkpoints;

/// <summary>The JSON in front of a safetensors file, padded so that the tensors begin at a multiple of 8 bytes.</summary>
internal static class SafetensorsHeader
{
    /// <param name="tensors">In the order of the header.</param>
    /// <param name="starts">Where each begins in the data, by name.</param>
    /// <param name="metadata">Strings beside them.</param>
    public static byte[] Of(
        IReadOnlyList<StoredTensor> tensors,
        Dictionary<string, long> starts,
        SortedDictionary<string, string> metadata
    )
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteStartObject("__metadata__");
            foreach (var (key, value) in metadata)
                json.WriteString(key, value);
            json.WriteEndObject();
            foreach (var tensor in tensors)
            {
                json.WriteStartObject(tensor.Name);
                json.WriteString("dtype", Array.Find(Safetensors.Names, pair => pair.DType == tensor.DType).Name);
                json.WriteStartArray("shape");
                foreach (var size in tensor.Shape)
                    json.WriteNumberValue(size);
                json.WriteEndArray();
                json.WriteStartArray("data_offsets");
                json.WriteNumberValue(starts[tensor.Name]);
                json.WriteNumberValue(starts[tensor.Name] + tensor.Bytes.Length);
                json.WriteEndArray();
                json.WriteEndObject();
            }
            json.WriteEndObject();
        }
        while (buffer.Length % 8 != 0)
            buffer.WriteByte((byte)' ');
        return buffer.ToArray();
    }
}
