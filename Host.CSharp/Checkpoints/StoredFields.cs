using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Hybrid.Host.Checkpoints;

/// <summary>Fields of a JSON object that came from a file: each is asked for with its kind and its range, and what is not
/// so is named.</summary>
/// <param name="fields">The object.</param>
/// <param name="path">Its name in messages, with a dot behind it; empty for the outermost.</param>
internal sealed class StoredFields(JsonObject fields, string path = "")
{
    private static readonly JsonDocumentOptions Strict = new() { AllowDuplicateProperties = false, MaxDepth = 64 };

    public JsonObject Fields { get; } = fields;

    /// <exception cref="BrokenFileException">It is no JSON object.</exception>
    public static StoredFields Parse(string json)
    {
        try
        {
            if (JsonNode.Parse(json, documentOptions: Strict) is JsonObject fields)
                return new StoredFields(fields);
        }
        catch (Exception error) when (error is JsonException or ArgumentException)
        {
            // Told below with the same words as JSON of another kind.
        }
        throw new BrokenFileException("it is no JSON object");
    }

    /// <exception cref="BrokenFileException">It is no whole number, or outside the range.</exception>
    public long Whole(string name, long least, long most)
    {
        if (Value(name, JsonValueKind.Number) is { } value && value.TryGetValue<long>(out var number))
            if (number >= least && number <= most)
                return number;
        throw Wrong(
            name,
            most == long.MaxValue ? $"a whole number from {least}" : $"a whole number from {least} to {most}"
        );
    }

    /// <exception cref="BrokenFileException">It is no finite number.</exception>
    public double Number(string name)
    {
        if (Value(name, JsonValueKind.Number) is { } value && value.TryGetValue<double>(out var number))
            if (double.IsFinite(number))
                return number;
        throw Wrong(name, "a finite number");
    }

    /// <summary>A number that may be NaN or infinite, which JSON has as text; so may any other be.</summary>
    /// <exception cref="BrokenFileException">It is no number.</exception>
    public double NumberAsText(string name)
    {
        var text = Plain(Fields[name]);
        if (text is null)
            return Number(name);
        return double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number)
            ? number
            : throw Wrong(name, "a number");
    }

    /// <summary>A loss or an accuracy; NaN where it was not measured.</summary>
    /// <exception cref="BrokenFileException">It is no number, or outside the range from 0.</exception>
    public double Measured(string name, double most)
    {
        var number = NumberAsText(name);
        return number < 0 || number > most
            ? throw Wrong(name, most == double.MaxValue ? "a finite number from 0" : $"a number from 0 to {most}")
            : number;
    }

    /// <summary>A list of objects.</summary>
    /// <exception cref="BrokenFileException">It is something else.</exception>
    public IReadOnlyList<StoredFields> Items(string name)
    {
        if (Fields[name] is JsonArray items && items.All(item => item is JsonObject))
            return [.. items.Select((item, place) => new StoredFields((JsonObject)item!, $"{path}{name}[{place}]."))];
        throw Wrong(name, "a list of objects");
    }

    /// <exception cref="BrokenFileException">It is no text, or one that no name or path can be.</exception>
    public string Text(string name) => Plain(Fields[name]) ?? throw Wrong(name, "a text without NUL");

    /// <exception cref="BrokenFileException">It is no list of such texts.</exception>
    public IReadOnlyList<string> Texts(string name)
    {
        string[]? texts = Fields[name] is JsonArray items ? [.. items.Select(Plain).OfType<string>()] : null;
        return texts?.Length == (Fields[name] as JsonArray)?.Count && texts is not null
            ? texts
            : throw Wrong(name, "a list of texts without NUL");
    }

    /// <exception cref="BrokenFileException">It is no object.</exception>
    public StoredFields Inner(string name) =>
        Fields[name] is JsonObject inner ? new StoredFields(inner, $"{path}{name}.") : throw Wrong(name, "an object");

    private JsonValue? Value(string name, JsonValueKind kind) =>
        Fields[name] is JsonValue value && value.GetValueKind() == kind ? value : null;

    private static string? Plain(JsonNode? node)
    {
        try
        {
            var text =
                node is JsonValue value && value.GetValueKind() == JsonValueKind.String
                    ? node.GetValue<string>()
                    : null;
            return text is null || text.Contains('\0') ? null : text;
        }
        catch (InvalidOperationException)
        {
            // Half a surrogate pair: JSON may spell it, no text holds it.
            return null;
        }
    }

    private BrokenFileException Wrong(string name, string expected)
    {
        var given = Fields.TryGetPropertyValue(name, out var node) ? Shown(node) : "missing";
        return new($"{path}{name} is {given}, expected {expected}");
    }

    private static string Shown(JsonNode? node)
    {
        try
        {
            return Quoted.Plain(node?.ToJsonString() ?? "null", 60);
        }
        catch (InvalidOperationException)
        {
            return "no Unicode text";
        }
    }
}
