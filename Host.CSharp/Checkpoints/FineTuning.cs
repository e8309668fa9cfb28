using Hybrid.Host.Runtime;

namespace Hybrid.Host.Checkpoints;

/// <summary>Starts a network from the weights of another that may tell other classes apart.</summary>
public static class FineTuning
{
    /// <summary>
    /// Copies a checkpoint's weights into a network, those of a run's whole state too. Where the last layer differs in
    /// the number of classes alone, that layer keeps its fresh draw.
    /// </summary>
    /// <returns>The number of classes of the file's last layer where it was not copied; null where all was.</returns>
    /// <exception cref="WorkException">Anything else does not fit; the network is as it was.</exception>
    public static long? Start(TorchModule network, string file)
    {
        var (_, tensors) = TrainedModel.Divide(CheckpointFile.Read(file).Tensors);
        var specs = network.Weights.Specs;
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
