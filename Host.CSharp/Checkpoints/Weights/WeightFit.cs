using Hybrid.Host.Runtime;

namespace Hybrid.Host.Checkpoints;

/// <summary>A file's tensors under the network's own names.</summary>
/// <param name="Tensors">In the network's order. Their shapes are still the file's.</param>
/// <param name="Remarks">What was decided on the way that a person should know, one line each.</param>
public sealed record FittedWeights(IReadOnlyList<StoredTensor> Tensors, IReadOnlyList<string> Remarks);

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
    /// <exception cref="RequestException">The file has no weights of that key.</exception>
    /// <exception cref="WorkException">The network's weights are not all there.</exception>
    public static FittedWeights Of(Checkpoint file, string path, IReadOnlyList<TensorSpec> specs, string wanted)
    {
        var needed = specs.Where(spec => !spec.Role.IsNumBatchesTracked).Select(spec => spec.Key).ToHashSet();
        var candidates = file.Sets.SelectMany(set => Candidates(set, needed)).ToList();
        var called = wanted.Length == 0 ? candidates : [.. candidates.Where(candidate => candidate.IsCalled(wanted))];
        if (called.Count == 0)
            throw wanted.Length > 0 && (candidates.Count > 0 || file.Sets.All(set => set.Key != wanted))
                ? new RequestException(
                    $"'{path}' has no weights called {Quoted.Of(wanted)}: {Having(file, candidates)}"
                )
                : WeightMisfit.Of(file.Sets.FirstOrDefault(set => set.Key == wanted) ?? file.Sets[0], path, specs);
        var taken = called[0];
        var tensors = FileBytes.Named(path, () => taken.Set.Tensors);
        var remarks = new List<string>();
        if (wanted.Length == 0 && candidates.Count > 1)
            remarks.Add(
                $"'{path}' holds {candidates.Count} sets of weights: {Shown(taken)} is taken, "
                    + $"--weights {Shown(candidates[1])} takes "
                    + (
                        candidates.Count == 2
                            ? "the other"
                            : $"the next, {Few(candidates.Skip(2).Select(Shown))} others"
                    )
            );
        return Take(taken, candidates, tensors, specs, path, remarks);
    }

    private static IEnumerable<Candidate> Candidates(WeightSet set, HashSet<string> needed) =>
        WeightNames
            .Prefixes(set.Names.Select(WeightNames.Unwrapped).Distinct(), needed)
            .Where(prefix => prefix.Value == needed.Count)
            .Select(prefix => new Candidate(set, prefix.Key))
            .OrderBy(candidate => WeightNames.IsAverage(candidate.Prefix))
            .ThenBy(candidate => candidate.Prefix.Length);

    private static FittedWeights Take(
        Candidate taken,
        List<Candidate> candidates,
        IReadOnlyList<StoredTensor> tensors,
        IReadOnlyList<TensorSpec> specs,
        string path,
        List<string> remarks
    )
    {
        var given = new Dictionary<string, StoredTensor>();
        var left = new List<string>();
        var parts = specs.Select(spec => spec.Key.Split('.')[0]).ToHashSet();
        var known = specs.Select(spec => spec.Key).ToHashSet();
        var others = candidates.Where(other => other.Set == taken.Set && other != taken).ToList();
        foreach (var tensor in tensors)
        {
            var name = WeightNames.Unwrapped(tensor.Name);
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
        if (left.Count > 0)
            remarks.Add($"'{path}': left out what is not the network's: {Few(left.Select(Quoted.Of))}");
        return new FittedWeights([.. specs.Select(spec => Fitting(spec, given)).OfType<StoredTensor>()], remarks);
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

    private static string Having(Checkpoint file, List<Candidate> candidates) =>
        "it has " + Few(candidates.Count > 0 ? candidates.Select(Shown) : file.Sets.Select(set => Named(set.Key)));

    private static string Shown(Candidate candidate) => Named(candidate.Label);

    private static string Named(string key) => key.Length == 0 ? "the file's own" : Quoted.Plain(key, 80);

    private static string Few(IEnumerable<string> names)
    {
        var all = names.ToList();
        return string.Join(", ", all.Take(3)) + (all.Count > 3 ? $" and {all.Count - 3} more" : "");
    }
}
