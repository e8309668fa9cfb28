using System.Buffers.Binary;
using System.Text.Json;
using System.Text.Unicode;

namespace Hybrid.Host.Checkpoints;

/// <summary>Named tensors and the strings stored beside them.</summary>
/// <param name="Tensors">In the order of the file's header.</param>
/// <param name="Metadata">The file's <c>__metadata__</c> strings; empty where it has none.</param>
public sealed record WeightFile(IReadOnlyList<StoredTensor> Tensors, IReadOnlyDictionary<string, string> Metadata)
{
    /// <summary>Tensors whose type is not read, by name: <c>a tensor of the type F8_E4M3</c>. They lie beside the
    /// others.</summary>
    internal IReadOnlyDictionary<string, string> Strangers { get; init; } = new Dictionary<string, string>();
}

/// <summary>
/// The safetensors format: the header's length as u64, a JSON header that gives each tensor's dtype, shape and byte
/// range, then the tensors' bytes without gaps. Source: the format's description in huggingface/safetensors.
/// </summary>
public static class Safetensors
{
    /// <summary>The format allows 100 MB, of which a reader makes gigabytes. A network of 10,000 layers needs 5 MB.
    /// </summary>
    private const int LongestHeader = 16_000_000;

    internal static readonly (DType DType, string Name)[] Names =
    [
        (DType.Float64, "F64"),
        (DType.Float32, "F32"),
        (DType.Float16, "F16"),
        (DType.BFloat16, "BF16"),
        (DType.Int64, "I64"),
        (DType.Int32, "I32"),
        (DType.Int16, "I16"),
        (DType.Int8, "I8"),
        (DType.UInt8, "U8"),
        (DType.Bool, "BOOL"),
    ];

    /// <summary>Reads a file and checks every length, range and shape in it, and the checksum where it has one.
    /// </summary>
    /// <exception cref="RequestException">No such file, a folder, or an empty file.</exception>
    /// <exception cref="Runtime.WorkException">The file is truncated or inconsistent.</exception>
    public static WeightFile Read(string path) => FileBytes.Parse(path, Parse);

    /// <summary>
    /// Writes a file, in whole or not at all, with a checksum over all of it in its metadata; equal arguments give equal bytes. The header keeps the given order,
    /// the data goes by falling element size, so that every tensor is aligned to its elements.
    /// </summary>
    /// <exception cref="ArgumentException">Two tensors share a name, or one is called <c>__metadata__</c>.</exception>
    /// <exception cref="Runtime.WorkException">The file cannot be written.</exception>
    public static void Write(
        string path,
        IReadOnlyList<StoredTensor> tensors,
        IReadOnlyDictionary<string, string> metadata,
        bool makeFolder = true
    )
    {
        var laidOut = tensors.OrderByDescending(t => t.DType.Size()).ToList();
        var starts = new Dictionary<string, long>();
        var length = 0L;
        foreach (var tensor in laidOut)
        {
            if (tensor.Name == "__metadata__" || !starts.TryAdd(tensor.Name, length))
                throw new ArgumentException($"the tensor name '{tensor.Name}' is taken", nameof(tensors));
            length += tensor.Bytes.Length;
        }
        var header = SafetensorsHeader.Of(tensors, starts, FileSeal.Prepare(metadata));
        var size = BitConverter.GetBytes((long)header.Length);
        FileSeal.Close(size, header, laidOut.Select(tensor => tensor.Bytes));
        AtomicFile.Write(
            path,
            stream =>
            {
                stream.Write(size);
                stream.Write(header);
                foreach (var tensor in laidOut)
                    stream.Write(tensor.Bytes.Span);
            },
            makeFolder
        );
    }

    internal static bool Recognises(ReadOnlySpan<byte> file) => file.Length > 8 && file[8] == '{';

    internal static WeightFile Parse(ReadOnlyMemory<byte> file)
    {
        var length = HeaderLength(file.Span, file.Length);
        var header = file.Slice(sizeof(long), length);
        var data = file[(sizeof(long) + length)..];
        return Read(
            header,
            json =>
            {
                var (content, metadata) = Describe(json, data.Length, data);
                FileSeal.Check(file.Span, length, metadata);
                return content;
            }
        );
    }

    /// <summary>The header's length, as the file's first eight bytes give it.</summary>
    internal static int HeaderLength(ReadOnlySpan<byte> head, long fileLength)
    {
        if (head.Length < sizeof(long))
            throw new BrokenFileException("is too short to be a safetensors file");
        var length = BinaryPrimitives.ReadUInt64LittleEndian(head);
        if (length > (ulong)(fileLength - sizeof(long)))
            throw new BrokenFileException($"claims a header of {length} bytes but has {fileLength} in all");
        return length <= LongestHeader
            ? (int)length
            : throw new BrokenFileException($"has a header of {length} bytes; at most {LongestHeader} are read");
    }

    /// <summary>Checks a header alone: whether its tensors account for all bytes that follow it.</summary>
    internal static void CheckHeader(ReadOnlyMemory<byte> header, long dataLength) =>
        Read(header, json => Describe(json, dataLength, null));

    private static T Read<T>(ReadOnlyMemory<byte> header, Func<JsonElement, T> describe)
    {
        if (header.IsEmpty || header.Span[0] != '{' || !Utf8.IsValid(header.Span))
            throw new BrokenFileException("its header is not JSON in UTF-8");
        try
        {
            // Two of the same key would let two readers see two different files.
            var options = new JsonDocumentOptions { AllowDuplicateProperties = false, MaxDepth = 8 };
            using var json = JsonDocument.Parse(header, options);
            return describe(json.RootElement);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // The second is what System.Text.Json throws for escapes that are no text, such as a lone surrogate.
            throw new BrokenFileException($"its header is malformed: {Quoted.Plain(e.Message)}");
        }
    }

    private static (WeightFile Content, Dictionary<string, string> Metadata) Describe(
        JsonElement header,
        long dataLength,
        ReadOnlyMemory<byte>? data
    )
    {
        var metadata = new Dictionary<string, string>();
        var tensors = new List<StoredTensor>();
        var strangers = new Dictionary<string, string>();
        var ranges = new List<(long Begin, long End)>();
        foreach (var entry in header.EnumerateObject())
        {
            if (entry.Name == "__metadata__")
            {
                // Null stands for none, and numbers for their text: some programs write them, against the format.
                if (entry.Value.ValueKind == JsonValueKind.Null)
                    continue;
                foreach (var item in Kind(entry.Value, JsonValueKind.Object, entry.Name).EnumerateObject())
                    metadata.Add(item.Name, item.Value.ToString());
                continue;
            }
            var described = Kind(entry.Value, JsonValueKind.Object, entry.Name);
            var (tensor, type, range) = Tensor(entry.Name, described, dataLength, data);
            ranges.Add(range);
            if (data is null)
                continue;
            if (tensor is not null)
                tensors.Add(tensor);
            else
                strangers.Add(entry.Name, $"a tensor of the type {type}");
        }
        ranges.Sort();
        var end = 0L;
        foreach (var range in ranges)
        {
            if (range.Begin != end)
                throw new BrokenFileException($"its tensors overlap or leave a gap at byte {end}");
            end = range.End;
        }
        if (end != dataLength)
            throw new BrokenFileException($"its tensors need {end} bytes of data but {dataLength} are there");
        return (new WeightFile(tensors, metadata) { Strangers = strangers }, metadata);
    }

    private static (StoredTensor? Tensor, string Type, (long, long) Range) Tensor(
        string name,
        JsonElement entry,
        long dataLength,
        ReadOnlyMemory<byte>? data
    )
    {
        foreach (var field in entry.EnumerateObject())
            if (field.Name is not ("dtype" or "shape" or "data_offsets"))
                throw new BrokenFileException($"tensor {Quoted.Of(name)} has an unknown field {Quoted.Of(field.Name)}");
        var dtypeName = Kind(Field(entry, name, "dtype"), JsonValueKind.String, name).GetString()!;
        var known = Array.FindIndex(Names, pair => pair.Name == dtypeName);
        var shape = Numbers(Field(entry, name, "shape"), name);
        var offsets = Numbers(Field(entry, name, "data_offsets"), name);
        if (offsets.Length != 2 || offsets[0] > offsets[1] || offsets[1] > dataLength)
            throw new BrokenFileException($"tensor {Quoted.Of(name)} lies outside the file");
        // float8 and the like: where it is, not what it holds.
        if (known < 0)
            return (null, Quoted.Plain(dtypeName, 20), (offsets[0], offsets[1]));
        var dtype = Names[known].DType;
        if (!dtype.TryByteCount(shape, out var bytes) || bytes != offsets[1] - offsets[0])
            throw new BrokenFileException($"tensor {Quoted.Of(name)} has a shape that does not fit its byte range");
        if (data is not { } content)
            return (null, dtypeName, (offsets[0], offsets[1]));
        var window = content.Slice((int)offsets[0], (int)bytes);
        try
        {
            return (new StoredTensor(name, dtype, shape, window), dtypeName, (offsets[0], offsets[1]));
        }
        catch (ArgumentException e)
        {
            throw new BrokenFileException(e.Message);
        }
    }

    private static JsonElement Field(JsonElement entry, string tensor, string field) =>
        entry.TryGetProperty(field, out var value)
            ? value
            : throw new BrokenFileException($"tensor {Quoted.Of(tensor)} has no {field}");

    private static JsonElement Kind(JsonElement value, JsonValueKind kind, string name) =>
        value.ValueKind == kind
            ? value
            : throw new BrokenFileException($"header entry {Quoted.Of(name)} has a {value.ValueKind}, not a {kind}");

    private static long[] Numbers(JsonElement value, string name) =>
        [
            .. Kind(value, JsonValueKind.Array, name)
                .EnumerateArray()
                .Select(item =>
                    Kind(item, JsonValueKind.Number, name).TryGetInt64(out var number) && number >= 0
                        ? number
                        : throw new BrokenFileException(
                            $"tensor {Quoted.Of(name)} has a size that is no natural number"
                        )
                ),
        ];
}
