using System.Text.Json;
using System.Text.Json.Nodes;
using Hybrid.Host.Data;
using Hybrid.Host.Runtime;

namespace Hybrid.Host.Checkpoints;

/// <summary>What any checkpoint file comes down to, before a model's names and shapes are known.</summary>
/// <param name="Format">"safetensors", "torch.save zip" or "torch.save legacy".</param>
/// <param name="Sets">Its sets of weights, at least one; the one that is meant where nobody says otherwise first.
/// </param>
/// <param name="HyperParameters">What rebuilds the network, as the file has it; null where it says nothing.</param>
/// <param name="Metadata">Single values stored beside the weights: epoch, global_step, versions; for safetensors
/// its strings.</param>
public sealed record Checkpoint(
    string Format,
    IReadOnlyList<WeightSet> Sets,
    JsonObject? HyperParameters,
    JsonObject Metadata
)
{
    /// <summary>The first set's tensors in file order.</summary>
    public IReadOnlyList<StoredTensor> Tensors => Sets[0].Tensors;
}

/// <summary>Reads a checkpoint of any format that Hybrid takes, recognised by content and not by its name.</summary>
public static class CheckpointFile
{
    /// <summary>The metadata key under which a safetensors file carries its hyperparameters as a JSON object.
    /// </summary>
    public const string HyperParametersKey = "hyper_parameters";

    /// <summary>Reads and checks the whole file; nothing outside it is touched.</summary>
    /// <exception cref="RequestException">No such file, a folder, or an empty file.</exception>
    /// <exception cref="Runtime.WorkException">The file is in no known format, truncated, corrupted or hostile; the
    /// message names file and reason in one line.</exception>
    public static Checkpoint Read(string path) => FileBytes.Parse(path, Parse);

    private static Checkpoint Parse(ReadOnlyMemory<byte> file) =>
        Safetensors.Recognises(file.Span) ? FromSafetensors(Safetensors.Parse(file))
        : PyTorchArchive.Recognises(file.Span) ? PyTorchArchive.Parse(file)
        : throw new BrokenFileException(ForeignFile.Describe(file.Span));

    private static Checkpoint FromSafetensors(WeightFile file)
    {
        var metadata = new JsonObject();
        foreach (var (key, value) in file.Metadata)
            if (key != HyperParametersKey)
                metadata.Add(key, JsonValue.Create(value));
        var stored = file.Metadata.GetValueOrDefault(HyperParametersKey);
        var tensors = file.Tensors;
        var set = new WeightSet("", [.. tensors.Select(tensor => tensor.Name)], () => tensors, file.Strangers);
        return new Checkpoint("safetensors", [set], stored is null ? null : HyperParameters(stored), metadata);
    }

    /// <summary>Hyperparameters that a file holds as JSON text.</summary>
    /// <exception cref="BrokenFileException">It is no object, or holds text that is none.</exception>
    internal static JsonObject HyperParameters(string json)
    {
        try
        {
            var options = new JsonDocumentOptions { AllowDuplicateProperties = false, MaxDepth = 64 };
            // Halves of pairs are found only when a text is asked for: the copy asks for all of them.
            if (JsonNode.Parse(json, documentOptions: options) is JsonObject parsed)
                return (JsonObject)Copy(parsed)!;
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException or ArgumentException)
        {
            // Falls through to the one message for text that is no JSON object.
        }
        throw new BrokenFileException($"its metadata {HyperParametersKey} is not a JSON object");
    }

    private static JsonNode? Copy(JsonNode? node) =>
        node switch
        {
            JsonObject members => new JsonObject(
                members.Select(pair => KeyValuePair.Create(pair.Key, Copy(pair.Value)))
            ),
            JsonArray items => new JsonArray([.. items.Select(Copy)]),
            JsonValue value when value.GetValueKind() == JsonValueKind.String => JsonValue.Create(
                value.GetValue<string>()
            ),
            _ => node?.DeepClone(),
        };

    /// <summary>Whether a file is there and is a checkpoint that can be read to its end.</summary>
    public static bool IsSound(string path)
    {
        try
        {
            Read(path);
            return true;
        }
        catch (Exception error)
            when (error is RequestException or WorkException or IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    /// <summary>Refuses to write over a file that the result is made from.</summary>
    /// <param name="option">What names the file to write.</param>
    /// <exception cref="RequestException">It is one of <paramref name="inputs"/>.</exception>
    public static void Spare(string option, string target, params IEnumerable<string> inputs)
    {
        if (!File.Exists(target))
            return;
        var place = Place(target);
        if (inputs.Any(input => Place(input) == place))
            throw new RequestException($"{option} {target} is the file that is read: name another one");
    }

    private static string Place(string path) => PictureTree.Target(Path.GetFullPath(path)).FullName;
}
