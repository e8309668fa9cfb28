using System.Buffers.Binary;

namespace Hybrid.Host.Checkpoints;

/// <summary>Element types that a weight file may hold. All are stored little-endian.</summary>
public enum DType
{
    /// <summary>IEEE 754, 8 bytes.</summary>
    Float64,

    /// <summary>IEEE 754, 4 bytes.</summary>
    Float32,

    /// <summary>IEEE 754, 2 bytes.</summary>
    Float16,

    /// <summary>The upper 2 bytes of a float32.</summary>
    BFloat16,

    /// <summary>Signed, 8 bytes.</summary>
    Int64,

    /// <summary>Signed, 4 bytes.</summary>
    Int32,

    /// <summary>Signed, 2 bytes.</summary>
    Int16,

    /// <summary>Signed, 1 byte.</summary>
    Int8,

    /// <summary>Unsigned, 1 byte.</summary>
    UInt8,

    /// <summary>One byte, 0 or 1.</summary>
    Bool,
}

/// <summary>Sizes that follow from an element type.</summary>
public static class DTypes
{
    /// <summary>Bytes of one element.</summary>
    public static int Size(this DType dtype) =>
        dtype switch
        {
            DType.Float64 or DType.Int64 => 8,
            DType.Float32 or DType.Int32 => 4,
            DType.Float16 or DType.BFloat16 or DType.Int16 => 2,
            _ => 1,
        };

    /// <summary>
    /// Bytes of a contiguous tensor of this type and shape; false where a size is negative or the product does not
    /// fit in 63 bits. The shape [] is a scalar of one element.
    /// </summary>
    public static bool TryByteCount(this DType dtype, ReadOnlySpan<long> shape, out long bytes)
    {
        bytes = 0;
        if (shape.ContainsAnyInRange(long.MinValue, -1))
            return false;
        if (shape.Contains(0))
            return true;
        Int128 count = dtype.Size();
        foreach (var size in shape)
        {
            count *= size;
            if (count > long.MaxValue)
                return false;
        }
        bytes = (long)count;
        return true;
    }
}

/// <summary>
/// One tensor as a file describes it: a name, a shape, and its elements contiguous, row-major and little-endian.
/// <see cref="Bytes"/> is often a window on the file's own bytes, so it may be unaligned.
/// </summary>
public sealed record StoredTensor
{
    /// <summary>Describes a tensor; nothing is copied.</summary>
    /// <exception cref="ArgumentException">The bytes are not what the type and shape need, or a bool is not 0 or 1.
    /// </exception>
    public StoredTensor(string name, DType dtype, long[] shape, ReadOnlyMemory<byte> bytes)
    {
        if (!dtype.TryByteCount(shape, out var expected))
            throw new ArgumentException(
                $"tensor {Quoted.Of(name)} has an impossible shape [{string.Join(", ", shape)}]"
            );
        if (expected != bytes.Length)
            throw new ArgumentException($"tensor {Quoted.Of(name)} needs {expected} bytes, not {bytes.Length}");
        if (dtype == DType.Bool && bytes.Span.ContainsAnyExceptInRange((byte)0, (byte)1))
            throw new ArgumentException($"tensor {Quoted.Of(name)} is bool but holds a byte that is neither 0 nor 1");
        (Name, DType, Shape, Bytes) = (name, dtype, shape, bytes);
    }

    /// <summary>Its key in the state dict, such as <c>blocks.3.net.0.weight</c>.</summary>
    public string Name { get; init; }

    /// <summary>Type of each element.</summary>
    public DType DType { get; }

    /// <summary>Sizes, outermost first; [] for a scalar.</summary>
    public long[] Shape { get; }

    /// <summary>The elements, row-major, little-endian, without gaps.</summary>
    public ReadOnlyMemory<byte> Bytes { get; }

    /// <summary>Number of elements.</summary>
    public int Count => Bytes.Length / DType.Size();

    /// <summary>All elements as float32, rounded to nearest where they do not fit; row-major.</summary>
    public float[] ToFloat32()
    {
        var result = new float[Count];
        for (var i = 0; i < result.Length; i++)
            result[i] =
                DType == DType.Float32
                    ? BinaryPrimitives.ReadSingleLittleEndian(Bytes.Span[(i * 4)..])
                    : (float)Element(i);
        return result;
    }

    private double Element(int index)
    {
        var at = Bytes.Span[(index * DType.Size())..];
        return DType switch
        {
            DType.Float64 => BinaryPrimitives.ReadDoubleLittleEndian(at),
            DType.Float32 => BinaryPrimitives.ReadSingleLittleEndian(at),
            DType.Float16 => (double)BinaryPrimitives.ReadHalfLittleEndian(at),
            DType.BFloat16 => BitConverter.Int32BitsToSingle(BinaryPrimitives.ReadUInt16LittleEndian(at) << 16),
            DType.Int64 => BinaryPrimitives.ReadInt64LittleEndian(at),
            DType.Int32 => BinaryPrimitives.ReadInt32LittleEndian(at),
            DType.Int16 => BinaryPrimitives.ReadInt16LittleEndian(at),
            DType.Int8 => (sbyte)at[0],
            _ => at[0],
        };
    }
}
