using Hybrid.Host.Runtime;

namespace Hybrid.Host.Checkpoints;

/// <summary>What became of a file's weights in a network that started from them.</summary>
/// <param name="Taken">Tensors that were copied.</param>
/// <param name="Anew">Keys of the last layer's tensors where it starts anew; else none.</param>
/// <param name="Why">What the file has instead of that layer, and what the network has; null where it was copied.</param>
/// <param name="Left">The file's names of what is not the network's.</param>
/// <param name="Choice">Which of several sets of weights was taken, where that is worth a line; else null.</param>
public sealed record FineTuned(
    int Taken,
    IReadOnlyList<string> Anew,
    string? Why,
    IReadOnlyList<string> Left,
    string? Choice
)
{
    /// <summary>A short table, a row each for what was taken, what is new and what was left; nothing where all was taken
    /// and nothing lay beside it.</summary>
    public IEnumerable<string> Lines(string file)
    {
        if (Choice is not null)
            yield return Choice;
        if (Anew.Count == 0 && Left.Count == 0)
            yield break;
        yield return $"weights of '{file}':";
        yield return $"  taken     {Counted.Of(Taken, "tensor")}";
        if (Anew.Count > 0)
            yield return $"  anew      {FittedWeights.Few(Anew)}: {Why}; the last layer starts anew";
        if (Left.Count > 0)
            yield return $"  left out  {Counted.Of(Left.Count, "tensor")} not of this network: {FittedWeights.Few(Left)}";
    }
}

/// <summary>Starts a network from the weights of another that may tell other classes apart.</summary>
public static class FineTuning
{
    /// <summary>
    /// Copies a checkpoint's weights into a network, those of a run's whole state too. The last layer keeps its fresh draw
    /// where the file lacks it or has another in its place; all else has to be there.
    /// </summary>
    /// <param name="network">Its weights are replaced.</param>
    /// <param name="file">Any checkpoint.</param>
    /// <param name="weights">Which of the file's sets of weights, where it holds several; empty for the first.</param>
    /// <exception cref="RequestException">The file has no such set.</exception>
    /// <exception cref="WorkException">Anything else does not fit, or nothing does; the network is as it was.
    /// </exception>
    public static FineTuned Start(TorchModule network, string file, string weights = "")
    {
        var specs = network.Weights.Specs;
        var head = Models.Head(network.Plan);
        var keys = head.Select(spec => spec.Key).ToHashSet();
        var (tensors, left, choice) = WeightFit.Of(CheckpointFile.Read(file), file, [.. specs], weights, keys);
        var given = tensors.Where(tensor => keys.Contains(tensor.Name)).ToDictionary(tensor => tensor.Name);
        if (Difference(head, given) is not { } why)
        {
            ModuleTensors.Write(network, tensors, file);
            return new FineTuned(tensors.Count, [], null, left, choice);
        }

        List<StoredTensor> body = [.. tensors.Where(tensor => !keys.Contains(tensor.Name))];
        if (body.Count == 0)
            throw new WorkException($"'{file}' does not fit the network: nothing of it does ({why})");
        ModuleTensors.Write(network, [.. specs.Where(spec => !keys.Contains(spec.Key))], body, file);
        return new FineTuned(body.Count, [.. head.Select(spec => spec.Key)], why, left, choice);
    }

    /// <summary>What the file's last layer is beside the network's; null where it is the same.</summary>
    private static string? Difference(IReadOnlyList<TensorSpec> head, Dictionary<string, StoredTensor> given)
    {
        foreach (var spec in head)
        {
            if (!given.TryGetValue(spec.Key, out var tensor))
                return $"the file has no {spec.Key}";
            if (tensor.Shape.SequenceEqual(spec.Dims.Select(dim => (long)dim)))
                continue;
            return
                tensor.Shape.Length == spec.Dims.Length
                && tensor.Shape.Skip(1).SequenceEqual(spec.Dims.Skip(1).Select(dim => (long)dim))
                ? $"{Counted.Of(tensor.Shape[0], "class", "classes")} in the file, {spec.Dims[0]} here"
                : $"[{string.Join(", ", tensor.Shape)}] in the file, [{string.Join(", ", spec.Dims)}] here";
        }
        return null;
    }
}
