using Hybrid.Host.Runtime;
using static TorchSharp.torch;

namespace Hybrid.Host.Checkpoints;

/// <summary>Between a module's tensors and the byte blocks of files.</summary>
public static class ModuleTensors
{
    /// <summary>A copy of the state in the order of the state dict, in PyTorch's memory layout.</summary>
    public static IReadOnlyList<StoredTensor> Read(TorchModule network)
    {
        using var noGrad = no_grad();
        return [.. network.Weights.Specs.Select(spec => Read(spec.Key, network.Weights[spec.Key]))];
    }

    /// <summary>A copy of one tensor under a name.</summary>
    public static StoredTensor Read(string name, Tensor tensor)
    {
        using var scope = NewDisposeScope();
        var plain = tensor.detach().cpu().contiguous();
        return new StoredTensor(name, DTypeOf(plain.dtype), plain.shape, plain.bytes.ToArray());
    }

    /// <summary>
    /// Copies a file's tensors into a module. Names and shapes are compared first, so that a failed load leaves the
    /// module as it was.
    /// </summary>
    /// <exception cref="WorkException">Tensors are missing, too many, or of other shapes.</exception>
    public static void Write(TorchModule network, IReadOnlyList<StoredTensor> tensors, string file) =>
        Write(network, network.Weights.Specs, tensors, file);

    /// <summary>The same for a part of the module, which <paramref name="specs"/> names; the rest stays as it is.
    /// </summary>
    /// <exception cref="WorkException">Tensors are missing, too many, or of other shapes.</exception>
    public static void Write(
        TorchModule network,
        IReadOnlyList<TensorSpec> specs,
        IReadOnlyList<StoredTensor> tensors,
        string file
    )
    {
        Compare(specs, tensors, file);
        var given = tensors.ToDictionary(tensor => tensor.Name);
        using var noGrad = no_grad();
        foreach (var spec in specs)
        {
            using var scope = NewDisposeScope();
            network.Weights[spec.Key].copy_(ToTensor(given[spec.Key]));
        }
    }

    /// <summary>Copies a file's tensors into others under the same names, all or none.</summary>
    /// <exception cref="WorkException">Tensors are missing, too many, or of other shapes.</exception>
    public static void Write(
        IReadOnlyList<(string Name, Tensor Tensor)> targets,
        IReadOnlyList<StoredTensor> tensors,
        string file
    )
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var given = tensors.ToDictionary(tensor => tensor.Name);
        if (given.Count != targets.Count)
            throw new WorkException($"'{file}' holds {given.Count} tensors of the optimiser, expected {targets.Count}");
        foreach (var (name, target) in targets)
            if (!given.TryGetValue(name, out var stored) || !stored.Shape.SequenceEqual(target.shape))
                throw new WorkException(
                    $"'{file}' does not hold the optimiser's {name} in the shape {Show(target.shape)}"
                );
        foreach (var (name, target) in targets)
            target.copy_(ToTensor(given[name]));
    }

    /// <summary>Compares names and shapes, and looks whether all weights are numbers.</summary>
    /// <exception cref="WorkException">Tensors are missing, too many, of other shapes, or not finite.</exception>
    public static void Compare(IReadOnlyList<TensorSpec> specs, IReadOnlyList<StoredTensor> tensors, string file)
    {
        var given = tensors.ToDictionary(tensor => tensor.Name);
        var problems = new List<string>();
        foreach (var spec in specs)
        {
            long[] wanted = [.. spec.Dims.Select(dim => (long)dim)];
            if (!given.Remove(spec.Key, out var tensor))
                problems.Add($"{spec.Key} is missing");
            else if (!tensor.Shape.SequenceEqual(wanted))
                problems.Add($"{spec.Key} is {Show(tensor.Shape)}, expected {Show(wanted)}");
            else if (WeightCheck.Problem(spec, tensor) is { } problem)
                problems.Add(problem);
        }
        problems.AddRange(given.Keys.Select(key => $"{key} is not of this network"));
        if (problems.Count > 0)
        {
            var shown = string.Join("; ", problems.Take(3));
            var more = problems.Count > 3 ? $"; and {problems.Count - 3} more" : "";
            throw new WorkException($"'{file}' does not fit the network: {shown}{more}");
        }
    }

    /// <summary>A new tensor with a copy of the stored elements, on the CPU.</summary>
    public static Tensor ToTensor(StoredTensor stored)
    {
        var tensor = empty(stored.Shape, ScalarTypeOf(stored.DType));
        stored.Bytes.Span.CopyTo(tensor.bytes);
        return tensor;
    }

    private static string Show(long[] shape) => $"[{string.Join(", ", shape)}]";

    private static DType DTypeOf(ScalarType type) =>
        type switch
        {
            ScalarType.Float64 => DType.Float64,
            ScalarType.Float32 => DType.Float32,
            ScalarType.Float16 => DType.Float16,
            ScalarType.BFloat16 => DType.BFloat16,
            ScalarType.Int64 => DType.Int64,
            ScalarType.Int32 => DType.Int32,
            ScalarType.Int16 => DType.Int16,
            ScalarType.Int8 => DType.Int8,
            ScalarType.Byte => DType.UInt8,
            ScalarType.Bool => DType.Bool,
            _ => throw new NotSupportedException($"tensors of {type} are not stored"),
        };

    private static ScalarType ScalarTypeOf(DType type) =>
        type switch
        {
            DType.Float64 => ScalarType.Float64,
            DType.Float32 => ScalarType.Float32,
            DType.Float16 => ScalarType.Float16,
            DType.BFloat16 => ScalarType.BFloat16,
            DType.Int64 => ScalarType.Int64,
            DType.Int32 => ScalarType.Int32,
            DType.Int16 => ScalarType.Int16,
            DType.Int8 => ScalarType.Int8,
            DType.UInt8 => ScalarType.Byte,
            _ => ScalarType.Bool,
        };
}
