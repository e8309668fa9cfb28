namespace Hybrid.Host.Checkpoints;

/// <summary>
/// The state dicts of an archive, wherever a program put them: the file itself, an entry of it such as
/// <c>state_dict</c>, or a dictionary inside such an entry. Those that are usual come first, averages last.
/// </summary>
internal static class StateDicts
{
    private static readonly string[] Usual =
    [
        "state_dict",
        "model_state_dict",
        "model",
        "model_state",
        "net",
        "network",
        "module",
    ];
    private const string LightningKey = "state_dict",
        LightningPrefix = "model.";

    /// <summary>How far below the file's own dictionary they are looked for, and how many are told apart.</summary>
    private const int Deepest = 3,
        Most = 64;

    private readonly record struct Found(string Key, PickleDict State, int Rank);

    public static List<WeightSet> Of(PickleDict root, TorchContent content, long fileLength) =>
        [
            .. Find(root)
                .OrderBy(found => WeightNames.IsAverage(found.Key))
                .ThenBy(found => found.Rank)
                .Select(found => Set(found.Key, found.State, content, fileLength)),
        ];

    private static List<Found> Find(PickleDict root)
    {
        var found = new List<Found>();
        var seen = new HashSet<PickleDict> { root };
        var open = new Queue<(string Key, PickleDict Dict, int Depth)>([("", root, 0)]);
        while (open.TryDequeue(out var at) && found.Count < Most)
        {
            if (at.Dict.Pairs.Any(pair => pair is { Key: PickleString, Value: TorchTensor or StrangeTensor }))
                found.Add(new Found(at.Key, at.Dict, Rank(at.Key, found.Count)));
            if (at.Depth == Deepest)
                continue;
            foreach (var (key, value) in at.Dict.Pairs)
                if (
                    key is PickleString { Value: { Length: <= WeightNames.Longest } name }
                    && PickleJson.Dictionary(value) is { } dict
                    && seen.Add(dict)
                )
                    open.Enqueue((at.Key.Length == 0 ? name : $"{at.Key}.{name}", dict, at.Depth + 1));
        }
        return found;
    }

    private static int Rank(string key, int place) =>
        Array.IndexOf(Usual, key) is var usual and >= 0 ? usual : Usual.Length + place;

    private static WeightSet Set(string key, PickleDict state, TorchContent content, long fileLength)
    {
        var entries = new List<(string Name, TorchTensor Tensor)>();
        var strangers = new Dictionary<string, string>();
        foreach (var pair in state.Pairs)
            if (pair.Key is PickleString { Value: var name })
            {
                if (pair.Value is TorchTensor tensor)
                    entries.Add((name, tensor));
                else
                    // A quantised layer packs its weight and its bias into one entry.
                    strangers[name] = pair.Value is PickleTuple { Items: [StrangeTensor packed, ..] }
                        ? packed.Kind
                        : pair.Value.Kind;
            }
        var prefix = key == LightningKey ? LightningPrefix : "";
        var skip = entries.All(entry => entry.Name.StartsWith(prefix, StringComparison.Ordinal)) ? prefix.Length : 0;
        List<StoredTensor> Read()
        {
            var allowance = new TensorAllowance(fileLength);
            var tensors = new List<StoredTensor>(entries.Count);
            foreach (var (name, tensor) in entries)
                tensors.Add(tensor.Contiguous(name[skip..], content.Records[tensor.Storage.Key], allowance));
            return tensors;
        }

        return new WeightSet(key, [.. entries.Select(entry => entry.Name[skip..])], Read, strangers);
    }
}
