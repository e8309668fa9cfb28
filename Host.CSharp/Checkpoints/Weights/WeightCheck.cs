using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Hybrid.Host.Checkpoints;

/// <summary>Whether the numbers of a stored tensor can be what a network computes with.</summary>
internal static class WeightCheck
{
    /// <summary>What is wrong with them, for a tensor of the right shape; null where nothing is.</summary>
    public static string? Problem(TensorSpec spec, StoredTensor tensor)
    {
        if (spec.Role.IsNumBatchesTracked)
            return tensor.DType is DType.Int64 or DType.Int32
                ? null
                : $"{spec.Key} is stored as {tensor.DType}, expected whole numbers";
        if (tensor.DType is not (DType.Float64 or DType.Float32 or DType.Float16 or DType.BFloat16))
            return $"{spec.Key} is stored as {tensor.DType}, expected numbers with a fraction";
        var bad = NotFinite(tensor);
        if (bad > 0)
            return $"{spec.Key} has {bad} numbers that are not finite";
        return spec.Role.IsRunningVar && Array.Exists(tensor.ToFloat32(), value => value < 0)
            ? $"{spec.Key} has a variance below 0"
            : null;
    }

    /// <summary>Numbers that are none, infinite, or beyond what single precision holds.</summary>
    private static int NotFinite(StoredTensor tensor)
    {
        var bytes = tensor.Bytes.Span;
        var bad = 0;
        switch (tensor.DType)
        {
            case DType.Float32:
                foreach (var bits in MemoryMarshal.Cast<byte, uint>(bytes))
                    bad += (bits & 0x7f80_0000) == 0x7f80_0000 ? 1 : 0;
                break;
            case DType.Float16:
                foreach (var bits in MemoryMarshal.Cast<byte, ushort>(bytes))
                    bad += (bits & 0x7c00) == 0x7c00 ? 1 : 0;
                break;
            case DType.BFloat16:
                foreach (var bits in MemoryMarshal.Cast<byte, ushort>(bytes))
                    bad += (bits & 0x7f80) == 0x7f80 ? 1 : 0;
                break;
            default:
                for (; bytes.Length > 0; bytes = bytes[sizeof(double)..])
                    bad += Math.Abs(BinaryPrimitives.ReadDoubleLittleEndian(bytes)) <= float.MaxValue ? 0 : 1;
                break;
        }
        return bad;
    }
}
