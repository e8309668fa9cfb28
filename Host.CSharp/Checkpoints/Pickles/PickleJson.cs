using System.Globalization;
using System.Text.Json.Nodes;

namespace Hybrid.Host.Checkpoints;

/// <summary>
/// Plain values as JSON. What JSON lacks becomes text: a class its short name, a tensor its shape, bytes their
/// number, NaN and the infinities their names; what a pickle would build of an unknown class becomes the class's short
/// name. Tuples and sets become arrays.
/// </summary>
internal sealed class PickleJson
{
    // A pickle may hold itself, or share one list so often that its text would fill any memory.
    private const int Deepest = 60,
        MostText = 1_000_000;

    private int written;

    /// <exception cref="BrokenFileException">It is nested deeper than 60 levels, or its text would be longer than a
    /// million characters.</exception>
    public static JsonNode? Of(PickleValue value) => new PickleJson().Node(value, 0);

    /// <summary>Whether it is one number, text, truth value or None.</summary>
    public static bool IsScalar(PickleValue value) =>
        value is PickleNone or PickleBool or PickleInt or PickleFloat or PickleString;

    /// <summary>The items of a dictionary, also of one of an unknown class, and of OmegaConf's; null for all else.
    /// </summary>
    public static PickleDict? Dictionary(PickleValue? value) =>
        value switch
        {
            PickleDict dict => dict,
            PickleObject { Items: { } items } => items,
            PickleObject { State: PickleDict state } => state["_content"] as PickleDict,
            _ => null,
        };

    private JsonNode? Node(PickleValue value, int depth)
    {
        if (depth > Deepest)
            throw new BrokenFileException($"has values nested deeper than {Deepest} levels");
        Charge(1);
        return value switch
        {
            PickleNone => null,
            PickleBool b => JsonValue.Create(b.Value),
            PickleInt i when i.Value >= long.MinValue && i.Value <= long.MaxValue => JsonValue.Create((long)i.Value),
            PickleFloat f when double.IsFinite(f.Value) => JsonValue.Create(f.Value),
            PickleTuple t => Array(t.Items, depth),
            PickleList l => Array(l.Items, depth),
            PickleSet s => Array(s.Items, depth),
            PickleDict d => Object(d, depth),
            PickleObject o when NumpyScalar.Of(o) is { } number => Node(number, depth),
            PickleObject o when Dictionary(o) is { } items => Object(items, depth),
            PickleObject { State: PickleDict state } when state["_val"] is { } inner => Node(inner, depth + 1),
            _ => JsonValue.Create(Text(value)),
        };
    }

    private JsonArray Array(IReadOnlyCollection<PickleValue> items, int depth)
    {
        var array = new JsonArray();
        foreach (var item in items)
            array.Add(Node(item, depth + 1));
        return array;
    }

    private JsonObject Object(PickleDict dict, int depth)
    {
        var result = new JsonObject();
        foreach (var (key, value) in dict.Pairs)
        {
            // 1 and "1" are two keys to Python and one to JSON: the first is kept.
            result.TryAdd(Text(key), Node(value, depth + 1));
        }
        return result;
    }

    private string Text(PickleValue value)
    {
        var text = value switch
        {
            PickleString s => s.Value,
            PickleNone => "None",
            PickleBool b => b.Value ? "True" : "False",
            PickleInt i => i.Value.ToString(CultureInfo.InvariantCulture),
            PickleFloat f => f.Value.ToString(CultureInfo.InvariantCulture),
            PickleGlobal g => g.ShortName,
            TorchTensor t => $"tensor[{string.Join(", ", t.Sizes)}]",
            PickleBytes b => $"{b.Length} bytes",
            PickleObject o => o.ShortName,
            _ => value.Kind,
        };
        Charge(text.Length);
        return text;
    }

    private void Charge(int characters)
    {
        written += characters;
        if (written is < 0 or > MostText)
            throw new BrokenFileException($"has values whose text is longer than {MostText} characters");
    }
}
