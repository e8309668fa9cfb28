using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Hybrid.Host.Data;
using Hybrid.Host.Runtime;

namespace Hybrid.Host.Checkpoints;

/// <summary>
/// What a checkpoint of Hybrid says of the data behind its network. It came from a file: <see cref="Read"/> is the only
/// way to it, and checks all of it against the network. Nothing in it is acted on by itself.
/// </summary>
/// <param name="Input">Shape of one image.</param>
/// <param name="Classes">Names of the classes, one an output and no two alike; null where nothing is said.</param>
/// <param name="Normalisation">A mean and a positive std a channel; null where nothing is said.</param>
/// <param name="Data">The data's name as on the command line: a hint for people.</param>
/// <param name="Set">What the data was then; null where nothing is said.</param>
public sealed record StoredFacts(
    Shape Input,
    IReadOnlyList<string>? Classes,
    Normalisation? Normalisation,
    string? Data,
    DataFacts? Set = null
)
{
    /// <summary>Where formats without metadata of their own keep it, inside the hyperparameters.</summary>
    public const string Key = "hybrid";

    /// <summary>Of the network itself.</summary>
    public const string NetworkKey = "network";

    private const string InputKey = "input",
        ClassesKey = "classes",
        NormalisationKey = "normalisation",
        DataKey = "data",
        SetKey = "data_facts";

    /// <summary>Reads it from a file's metadata or hyperparameters. A file that Hybrid did not write may use the same
    /// words for other things and says nothing.</summary>
    /// <param name="model">The network, whose own input is meant where the file does not say.</param>
    /// <exception cref="WorkException">Something in it cannot be; the message says what, in one line.</exception>
    public static StoredFacts Read(Checkpoint file, string path, Model model)
    {
        JsonNode? Stated(string key) => StoredFacts.Stated(file, key);
        try
        {
            var input = ToInput(Text(Stated(InputKey)), model.Input);
            var channels = ((Shape.Image)input).channels;
            return new StoredFacts(
                input,
                ToClasses(Parsed<string?[]>(Stated(ClassesKey)), model.Classes),
                ToNormalisation(Parsed<NormalisationText>(Stated(NormalisationKey)), channels),
                OneLine(Text(Stated(DataKey))),
                ToSet(Stated(SetKey))
            );
        }
        catch (BrokenFileException error)
        {
            throw new WorkException($"'{path}': {error.Message}", error);
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException or ArgumentException)
        {
            throw new WorkException($"'{path}': its metadata is not what Hybrid writes there", error);
        }
    }

    /// <summary>The network as a file holds it, as text; null where it holds none.</summary>
    /// <exception cref="WorkException">It is no text.</exception>
    public static string? Network(Checkpoint file, string path)
    {
        try
        {
            return Text(Stated(file, NetworkKey));
        }
        catch (InvalidOperationException error)
        {
            throw new WorkException($"'{path}': its network is not what Hybrid writes there", error);
        }
    }

    /// <summary>The network as an entry of a safetensors file's metadata.</summary>
    public static KeyValuePair<string, string> OfNetwork(string network) => new(NetworkKey, network);

    private static JsonNode? Stated(Checkpoint file, string key)
    {
        var inside = file.HyperParameters?[Key] as JsonObject;
        var metadata = file is { Format: "safetensors", HyperParameters: not null } ? file.Metadata : null;
        return inside?[key] ?? metadata?[key];
    }

    /// <summary>The entries of a safetensors file's metadata.</summary>
    public IEnumerable<KeyValuePair<string, string>> ToMetadata()
    {
        foreach (var (key, value) in ToJson())
            if (value is not null)
                yield return new(key, value is JsonValue text ? text.GetValue<string>() : value.ToJsonString());
    }

    /// <summary>The same as an object; what is not known is left out.</summary>
    public JsonObject ToJson()
    {
        var json = new JsonObject { [InputKey] = $"{Input}".Replace('×', 'x') };
        if (Classes is not null)
            json[ClassesKey] = JsonSerializer.SerializeToNode(Classes);
        if (Normalisation is not null)
            json[NormalisationKey] = JsonSerializer.SerializeToNode(
                new NormalisationText(Normalisation.Mean, Normalisation.Std)
            );
        if (Data is not null)
            json[DataKey] = Data;
        if (Set is not null)
            json[SetKey] = JsonSerializer.SerializeToNode(Set);
        return json;
    }

    private static Shape ToInput(string? text, Shape usual)
    {
        if (text is null)
            return usual;
        var sides = text.Split('x')
            .Select(side => int.TryParse(side, NumberStyles.None, CultureInfo.InvariantCulture, out var n) ? n : 0)
            .ToArray();
        return sides is [> 0, > 0, > 0]
            ? Shape.NewImage(sides[0], sides[1], sides[2])
            : throw new BrokenFileException($"its input is {Quoted.Of(text)}, expected a shape such as 3x32x32");
    }

    private static string[]? ToClasses(string?[]? names, int outputs)
    {
        if (names is null)
            return null;
        if (names.Length != outputs)
            throw new BrokenFileException($"it names {names.Length} classes for {outputs} outputs");
        return ClassNames.Fault(names) is { } fault
            ? throw new BrokenFileException(fault)
            : [.. names.OfType<string>()];
    }

    private static Normalisation? ToNormalisation(NormalisationText? stated, int channels)
    {
        if (stated is null)
            return null;
        if (stated.Mean?.Length != channels || stated.Std?.Length != channels)
            throw new BrokenFileException($"its normalisation needs a mean and a std for each of {channels} channels");
        return stated.Mean.All(double.IsFinite) && stated.Std.All(std => double.IsFinite(std) && std > 0)
            ? new Normalisation(stated.Mean, stated.Std)
            : throw new BrokenFileException("its normalisation needs finite means and positive, finite stds");
    }

    private static DataFacts? ToSet(JsonNode? stated) =>
        stated switch
        {
            null => null,
            JsonObject fields => DataFacts.Read(new StoredFields(fields, $"{SetKey}.")),
            _ => DataFacts.Read(StoredFields.Parse(stated.GetValue<string>())),
        };

    private static string? Text(JsonNode? stated) => stated?.GetValue<string>();

    /// <summary>It is shown to people.</summary>
    private static string? OneLine(string? text) =>
        text is null ? null : string.Concat(text.Select(it => char.IsControl(it) ? '?' : it));

    // Metadata holds text, in which the JSON is written; hyperparameters hold it as it is.
    private static T? Parsed<T>(JsonNode? stated)
        where T : class =>
        stated is JsonValue text ? JsonSerializer.Deserialize<T>(text.GetValue<string>()) : stated.Deserialize<T>();

    private sealed record NormalisationText(double[]? Mean, double[]? Std);
}
