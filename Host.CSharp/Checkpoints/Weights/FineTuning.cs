using Hybrid.Host.Runtime;

namespace Hybrid.Host.Checkpoints;

/// <summary>Starts a network from the weights of another that may tell other classes apart.</summary>
public static class FineTuning
{
    /// <summary>
    /// Copies a checkpoint's weights into a network, those of a run's whole state too. Where the last layer differs in
    /// the number of classes alone, that layer keeps its fresh draw.
    /// </summary>
    /// <param name="network">Its weights are replaced.</param>
    /// <param name="file">Any checkpoint.</param>
    /// <param name="weights">Which of the file's sets of weights, where it holds several; empty for the first.</param>
    /// <param name="remark">Is told what was decided on the way, a line each.</param>
    /// <returns>The number of classes of the file's last layer where it was not copied; null where all was.</returns>
    /// <exception cref="WorkException">Anything else does not fit; the network is as it was.</exception>
    public static long? Start(TorchModule network, string file, string weights = "", Action<string>? remark = null)
    {
        var specs = network.Weights.Specs;
        var (tensors, remarks) = WeightFit.Of(CheckpointFile.Read(file), file, [.. specs], weights);
        foreach (var line in remarks)
            remark?.Invoke(line);
        var head = Models.Head(network.Plan).ToDictionary(spec => spec.Key);
        var given = tensors.Where(tensor => head.ContainsKey(tensor.Name)).ToList();
        if (OtherClasses(head, given) is not { } classes)
        {
            ModuleTensors.Write(network, tensors, file);
            return null;
        }

        ModuleTensors.Write(
            network,
            [.. specs.Where(spec => !head.ContainsKey(spec.Key))],
            [.. tensors.Where(tensor => !head.ContainsKey(tensor.Name))],
            file
        );
        return classes;
    }

    /// <summary>The number of classes that all tensors of the file's last layer agree on, if it is another one.</summary>
    private static long? OtherClasses(Dictionary<string, TensorSpec> head, List<StoredTensor> given)
    {
        if (given.Count == 0 || given.Count != head.Count || given.Any(tensor => tensor.Shape.Length == 0))
            return null;
        var classes = given[0].Shape[0];
        var alike = given.All(tensor =>
            tensor.Shape[0] == classes
            && tensor.Shape.Skip(1).SequenceEqual(head[tensor.Name].Dims.Skip(1).Select(dim => (long)dim))
        );
        return alike && classes != head[given[0].Name].Dims[0] ? classes : null;
    }
}
