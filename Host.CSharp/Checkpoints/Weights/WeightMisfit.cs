using Hybrid.Host.Runtime;

namespace Hybrid.Host.Checkpoints;

/// <summary>Why a file's weights are not those of a network, in one line: what each of the two has.</summary>
internal static class WeightMisfit
{
    public static WorkException Of(WeightSet set, string path, IReadOnlyList<TensorSpec> specs)
    {
        var needed = specs.Where(spec => !spec.Role.IsNumBatchesTracked).Select(spec => spec.Key).ToList();
        var naming = WeightNames.Naming(needed);
        var names = set.Names.Select(naming).ToHashSet();
        var (prefix, there) = WeightNames
            .Prefixes(names, needed.ToHashSet())
            .OrderByDescending(pair => pair.Value)
            .FirstOrDefault(new KeyValuePair<string, int>("", 0));
        var missing = needed.Where(key => !names.Contains(prefix + key)).ToList();
        return new WorkException(
            $"'{path}' does not fit the network: "
                + (
                    Strange(set, naming, prefix, missing)
                    ?? (there == 0 ? Foreign(set, needed) : Missing(prefix, missing))
                )
        );
    }

    private static string Missing(string prefix, List<string> missing) =>
        $"{Few(missing)} {(missing.Count == 1 ? "is" : "are")} missing"
        + (prefix.Length > 0 ? $" behind the prefix {Quoted.Of(prefix)} of the others" : "");

    private static string Foreign(WeightSet set, List<string> needed)
    {
        var common = WeightNames.Common(set.Names);
        var where = set.Key.Length == 0 ? "its" : $"under {Quoted.Of(set.Key)} its";
        return $"{where} {set.Names.Count} names "
            + (common.Length > 0 ? $"begin with {Quoted.Of(common)}, " : "are ")
            + $"such as {Quoted.Of(set.Names.Count == 0 ? "none" : set.Names[0])}; the network has {needed.Count} such as "
            + $"{Quoted.Of(needed[0])}: it is another network's, or needs another --model or --hparam";
    }

    /// <summary>The weights are there but in a form that is not read.</summary>
    private static string? Strange(WeightSet set, Func<string, string> naming, string prefix, List<string> missing)
    {
        if (set.Strangers.Values.Any(kind => kind.Contains("quantised", StringComparison.Ordinal)))
            return "its weights are quantised, which is not read: save the state dict of the model before it is "
                + "quantised, torch.save(float_model.state_dict(), 'weights.pt')";
        var strange = set.Strangers.FirstOrDefault(pair =>
            naming(pair.Key) is var name
            && name.StartsWith(prefix, StringComparison.Ordinal)
            && missing.Contains(name[prefix.Length..])
        );
        return strange.Key is null
            ? null
            : $"{Quoted.Of(strange.Key)} is {strange.Value}, which is not read: save its weights as float32, "
                + "torch.save({k: v.float() for k, v in model.state_dict().items()}, 'weights.pt')";
    }

    private static string Few(List<string> names) =>
        string.Join(", ", names.Take(3).Select(Quoted.Of)) + (names.Count > 3 ? $" and {names.Count - 3} more" : "");
}
