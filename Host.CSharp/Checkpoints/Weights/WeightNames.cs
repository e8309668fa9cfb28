using System.Text.RegularExpressions;

namespace Hybrid.Host.Checkpoints;

/// <summary>
/// Names of weights as other programs have them: the network's own behind the path of whatever held the network
/// (<c>model.</c>, <c>module.</c>, <c>net.</c>, a chain of them), with the segments of wrappers anywhere between.
/// </summary>
internal static partial class WeightNames
{
    /// <summary>No network has longer ones; they are not looked at.</summary>
    public const int Longest = 1024;

    /// <summary>The name without segments that torch.compile, FSDP and checkpointed activations put there.</summary>
    public static string Unwrapped(string name) =>
        name.Contains("_orig_mod.", StringComparison.Ordinal)
        || name.Contains("_wrapped_module.", StringComparison.Ordinal)
            ? Wrappers().Replace(name, "")
            : name;

    /// <summary>Whether this is where programs keep a running average of the weights, or another network's.</summary>
    public static bool IsAverage(string place) => Averages().IsMatch(place);

    /// <summary>The prefixes behind which names of <paramref name="wanted"/> stand, with how many of them do.</summary>
    /// <param name="names">Names without wrappers' segments.</param>
    public static Dictionary<string, int> Prefixes(IEnumerable<string> names, IReadOnlySet<string> wanted)
    {
        var prefixes = new Dictionary<string, int>();
        foreach (var name in names.Where(name => name.Length <= Longest))
            for (var start = 0; start >= 0; start = name.IndexOf('.', start) is var dot and >= 0 ? dot + 1 : -1)
                if (wanted.Contains(name[start..]))
                    prefixes[name[..start]] = prefixes.GetValueOrDefault(name[..start]) + 1;
        return prefixes;
    }

    /// <summary>The longest path, ending in a dot, that all names begin with; empty where there is none.</summary>
    public static string Common(IReadOnlyList<string> names)
    {
        if (names.Count == 0)
            return "";
        var common = names[0].AsSpan();
        foreach (var name in names)
            common = common[..common.CommonPrefixLength(name)];
        return common[..(common.LastIndexOf('.') + 1)].ToString();
    }

    /// <summary>Names as a network of these tensors has them: without wrappers' segments, and the first dense networks'
    /// <c>denselayer1.norm.1</c> as <c>denselayer1.norm1</c>, where the network is one of them.</summary>
    public static Func<string, string> Naming(IEnumerable<string> needed) =>
        needed.Any(key => DenseLayers().IsMatch(key))
            ? name => FirstDenseLayers().Replace(Unwrapped(name), "$1$2")
            : Unwrapped;

    [GeneratedRegex(@"(^|\.)denselayer[0-9]+\.(norm|conv)[12]\.")]
    private static partial Regex DenseLayers();

    [GeneratedRegex(@"((?:^|\.)denselayer[0-9]+\.(?:norm|conv))\.([12]\.)")]
    private static partial Regex FirstDenseLayers();

    [GeneratedRegex(@"(?<=^|\.)(_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")]
    private static partial Regex Wrappers();

    [GeneratedRegex(@"(^|[._])(ema|swa|averaged?|avg|shadow|teacher|target|momentum)([._]|$)", RegexOptions.IgnoreCase)]
    private static partial Regex Averages();
}
