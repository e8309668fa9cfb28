using Hybrid.Host.Runtime;

namespace Hybrid.Host.Checkpoints;

/// <summary>A file's tensors under the network's own names.</summary>
/// <param name="Tensors">In the network's order. Their shapes are still the file's.</param>
/// <param name="Left">The file's names of what lies beside them and is not the network's.</param>
/// <param name="Choice">Which of several sets of weights was taken, where that is worth a line; else null.</param>
public sealed record FittedWeights(IReadOnlyList<StoredTensor> Tensors, IReadOnlyList<string> Left, string? Choice)
{
    /// <summary>What a person should know who asked for the whole network, one line each.</summary>
    public IReadOnlyList<string> Remarks(string path)
    {
        var left = Left.Count == 0 ? null : $"'{path}': left out what is not the network's: {Few(Left)}";
        return [.. new[] { Choice, left }.OfType<string>()];
    }

    /// <summary>The first of some names of the file's, and how many more there are.</summary>
    internal static string Few(IReadOnlyList<string> names) =>
        string.Join(", ", names.Take(3).Select(Quoted.Of)) + (names.Count > 3 ? $" and {names.Count - 3} more" : "");
}

/// <summary>
/// Finds a network's weights among all that a checkpoint holds: in which of its sets, behind which prefix. What lies
/// beside them (a loss's weights, the states of metrics) is left; what only looks like a part of the network is not.
/// </summary>
public static class WeightFit
{
    private sealed record Candidate(WeightSet Set, string Prefix)
    {
        public string Label => string.Join(".", new[] { Set.Key, Prefix.TrimEnd('.') }.Where(part => part.Length > 0));

        public bool IsCalled(string key) => key == Set.Key || key.TrimEnd('.') == Prefix.TrimEnd('.') || key == Label;
    }

    /// <param name="file">What was read.</param>
    /// <param name="path">Where from, for messages.</param>
    /// <param name="specs">The network's state.</param>
    /// <param name="wanted">The key or prefix of the set to take, as <c>--weights</c> names it; empty for the first.
    /// </param>
    /// <param name="head">Keys that the file may lack, or have in another form beside them: those of a last layer that
    /// starts anew then. A file with all keys goes before one without these.</param>
    /// <exception cref="RequestException">The file has no weights of that key.</exception>
    /// <exception cref="WorkException">The network's weights are not all there.</exception>
    public static FittedWeights Of(
        Checkpoint file,
        string path,
        IReadOnlyList<TensorSpec> specs,
        string wanted,
        IReadOnlySet<string>? head = null
    )
    {
        var needed = specs.Where(spec => !spec.Role.IsNumBatchesTracked).Select(spec => spec.Key).ToHashSet();
        var naming = WeightNames.Naming(needed);
        List<Candidate> Having(HashSet<string> keys) => [.. file.Sets.SelectMany(set => Candidates(set, keys, naming))];
        List<Candidate> Called(List<Candidate> all) =>
            wanted.Length == 0 ? all : [.. all.Where(candidate => candidate.IsCalled(wanted))];
        var candidates = Having(needed);
        var called = Called(candidates);
        if (called.Count == 0 && head is { Count: > 0 } && needed.Except(head).ToHashSet() is { Count: > 0 } body)
        {
            candidates = Having(body);
            called = Called(candidates);
        }
        if (called.Count == 0)
            throw wanted.Length > 0 && (candidates.Count > 0 || file.Sets.All(set => set.Key != wanted))
                ? new RequestException($"'{path}' has no weights called {Quoted.Of(wanted)}: {Sets(file, candidates)}")
                : WeightMisfit.Of(file.Sets.FirstOrDefault(set => set.Key == wanted) ?? file.Sets[0], path, specs);
        var taken = called[0];
        var tensors = FileBytes.Named(path, () => taken.Set.Tensors);
        string? choice = null;
        if (wanted.Length == 0 && candidates.Count > 1)
            choice =
                $"'{path}' holds {candidates.Count} sets of weights: {Shown(taken)} is taken, "
                + $"--weights {Shown(candidates[1])} takes "
                + (candidates.Count == 2 ? "the other" : $"the next, {Few(candidates.Skip(2).Select(Shown))} others");
        var parts = specs
            .Where(spec => head is null || !head.Contains(spec.Key))
            .Select(spec => spec.Key.Split('.')[0])
            .ToHashSet();
        var others = candidates.Where(other => other.Set == taken.Set && other != taken).ToList();
        return Take(taken, others, tensors, specs, parts, naming, path, choice);
    }

    private static IEnumerable<Candidate> Candidates(
        WeightSet set,
        HashSet<string> needed,
        Func<string, string> naming
    ) =>
        WeightNames
            .Prefixes(set.Names.Select(naming).Distinct(), needed)
            .Where(prefix => prefix.Value == needed.Count)
            .Select(prefix => new Candidate(set, prefix.Key))
            .OrderBy(candidate => WeightNames.IsAverage(candidate.Prefix))
            .ThenBy(candidate => candidate.Prefix.Length);

    /// <param name="others">Networks of the same names in the same set.</param>
    /// <param name="parts">First segments of names that nothing but the network has.</param>
    private static FittedWeights Take(
        Candidate taken,
        List<Candidate> others,
        IReadOnlyList<StoredTensor> tensors,
        IReadOnlyList<TensorSpec> specs,
        HashSet<string> parts,
        Func<string, string> naming,
        string path,
        string? choice
    )
    {
        var given = new Dictionary<string, StoredTensor>();
        var left = new List<string>();
        var known = specs.Select(spec => spec.Key).ToHashSet();
        foreach (var tensor in tensors)
        {
            var name = naming(tensor.Name);
            var own = name.StartsWith(taken.Prefix, StringComparison.Ordinal) ? name[taken.Prefix.Length..] : null;
            if (own is not null && known.Contains(own))
                given.TryAdd(own, tensor with { Name = own });
            else if (own is not null && parts.Contains(own.Split('.', 2)[0]))
                throw new WorkException(
                    $"'{path}' does not fit the network: {Quoted.Of(tensor.Name)} is not of this network, which has no more "
                        + $"{Quoted.Of(own.Split('.', 2)[0])}: give the hyperparameters that it was built with (--hparam)"
                );
            else if (
                !tensor.Name.StartsWith(RunState.OptimizerPrefix, StringComparison.Ordinal)
                && !others.Exists(other => name.StartsWith(other.Prefix, StringComparison.Ordinal))
            )
                left.Add(tensor.Name);
        }
        return new FittedWeights([.. specs.Select(spec => Fitting(spec, given)).OfType<StoredTensor>()], left, choice);
    }

    /// <summary>A count of batches takes part in no result: programs drop it, or store it as a list of one.</summary>
    private static StoredTensor? Fitting(TensorSpec spec, Dictionary<string, StoredTensor> given)
    {
        var tensor = given.GetValueOrDefault(spec.Key);
        if (!spec.Role.IsNumBatchesTracked)
            return tensor;
        return tensor is { DType: DType.Int64, Count: 1 }
            ? new StoredTensor(spec.Key, DType.Int64, [], tensor.Bytes)
            : new StoredTensor(spec.Key, DType.Int64, [], new byte[sizeof(long)]);
    }

    private static string Sets(Checkpoint file, List<Candidate> candidates) =>
        "it has " + Few(candidates.Count > 0 ? candidates.Select(Shown) : file.Sets.Select(set => Named(set.Key)));

    private static string Shown(Candidate candidate) => Named(candidate.Label);

    private static string Named(string key) => key.Length == 0 ? "the file's own" : Quoted.Plain(key, 80);

    private static string Few(IEnumerable<string> names)
    {
        var all = names.ToList();
        return string.Join(", ", all.Take(3)) + (all.Count > 3 ? $" and {all.Count - 3} more" : "");
    }
}
