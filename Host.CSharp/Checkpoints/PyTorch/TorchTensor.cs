using System.Numerics;

namespace Hybrid.Host.Checkpoints;

/// <summary>Elements that tensors of an archive share, as its persistent ids describe them.</summary>
/// <param name="key">Names the record that holds the bytes.</param>
/// <param name="type">PyTorch's name of it, such as <c>FloatStorage</c>.</param>
/// <param name="dtype">Type of each element; null for one whose values are not read.</param>
/// <param name="width">Bytes of each element.</param>
/// <param name="record">Elements in that record.</param>
/// <param name="start">First element of this storage in the record; not 0 only for the views of early versions.
/// </param>
/// <param name="count">Elements of this storage.</param>
internal sealed class TorchStorage(
    string key,
    string type,
    DType? dtype,
    int width,
    long record,
    long start,
    long count
) : PickleValue
{
    public string Key => key;

    public string Type => type;

    public DType? DType => dtype;

    public int Width => width;

    public long Record => record;

    public long Start => start;

    public long Count => count;

    public override string Kind => "a storage";
}

/// <summary>A tensor whose elements cannot be read: quantised, sparse, float8, complex. It may lie beside the weights.
/// </summary>
/// <param name="kind">What it is.</param>
internal sealed class StrangeTensor(string kind) : PickleValue
{
    public override string Kind => kind;
}

/// <summary>A strided window on a storage, checked to lie within it when the pickle is read.</summary>
internal sealed class TorchTensor : PickleValue
{
    private const int MostDimensions = 64;

    private readonly TorchStorage storage;
    private readonly DType dtype;
    private readonly long offset;
    private readonly long[] sizes,
        strides;

    private TorchTensor(TorchStorage storage, long offset, long[] sizes, long[] strides) =>
        (this.storage, dtype, this.offset, this.sizes, this.strides) = (
            storage,
            storage.DType!.Value,
            offset,
            sizes,
            strides
        );

    public override string Kind => "a tensor";

    public long[] Sizes => sizes;

    /// <exception cref="BrokenFileException">A size or stride is negative or too large, or the last element lies
    /// beyond the storage.</exception>
    public static TorchTensor Rebuild(
        TorchStorage storage,
        PickleInt offset,
        PickleValue[] sizes,
        PickleValue[] strides
    )
    {
        if (sizes.Length != strides.Length || sizes.Length > MostDimensions)
            throw new BrokenFileException($"has a tensor of {sizes.Length} sizes and {strides.Length} strides");
        var tensor = new TorchTensor(storage, Natural(offset), Naturals(sizes), Naturals(strides));
        if (!tensor.dtype.TryByteCount(tensor.sizes, out _))
            throw new BrokenFileException($"has a tensor of the impossible shape [{string.Join(", ", tensor.sizes)}]");
        if (!tensor.sizes.Contains(0))
            tensor.CheckLastElement();
        return tensor;
    }

    /// <summary>
    /// The tensor by itself: a window on <paramref name="record"/> where it is contiguous there, else a copy in
    /// row-major order.
    /// </summary>
    /// <param name="name">Its key in the state dict.</param>
    /// <param name="record">All bytes of the storage's record.</param>
    /// <param name="allowance">What the file's tensors may still take.</param>
    public StoredTensor Contiguous(string name, ReadOnlyMemory<byte> record, TensorAllowance allowance)
    {
        var width = dtype.Size();
        dtype.TryByteCount(sizes, out var bytes);
        var asStored = bytes == 0 || IsContiguous();
        allowance.Take(name, bytes, copied: !asStored);
        var content =
            bytes == 0 ? ReadOnlyMemory<byte>.Empty
            : asStored ? record.Slice((int)((storage.Start + offset) * width), (int)bytes)
            : Copy(record.Span, width, (int)bytes);
        try
        {
            return new StoredTensor(name, dtype, sizes, content);
        }
        catch (ArgumentException e)
        {
            throw new BrokenFileException(e.Message);
        }
    }

    /// <summary>The storage that it looks at.</summary>
    public TorchStorage Storage => storage;

    private bool IsContiguous()
    {
        long expected = 1;
        for (var d = sizes.Length - 1; d >= 0; d--)
        {
            if (sizes[d] != 1 && strides[d] != expected)
                return false;
            expected *= sizes[d];
        }
        return true;
    }

    private byte[] Copy(ReadOnlySpan<byte> record, int width, int bytes)
    {
        var result = new byte[bytes];
        var index = new long[sizes.Length];
        var from = storage.Start + offset;
        for (var to = 0; to < bytes; to += width)
        {
            record.Slice((int)(from * width), width).CopyTo(result.AsSpan(to));
            for (var d = sizes.Length - 1; d >= 0; d--)
            {
                from += strides[d];
                if (++index[d] < sizes[d])
                    break;
                from -= strides[d] * sizes[d];
                index[d] = 0;
            }
        }
        return result;
    }

    private void CheckLastElement()
    {
        Int128 last = offset;
        for (var d = 0; d < sizes.Length && last < storage.Count; d++)
            last += (Int128)(sizes[d] - 1) * strides[d];
        if (last >= storage.Count)
            throw new BrokenFileException(
                $"has a tensor [{string.Join(", ", sizes)}] that reaches beyond its storage of {storage.Count} elements"
            );
    }

    private static long[] Naturals(PickleValue[] values) => [.. values.Select(Natural)];

    /// <summary>A count that an archive gives: an int from 0 to 2^63 - 1.</summary>
    public static long Natural(PickleValue value) =>
        value is PickleInt { Value: var number } && number >= BigInteger.Zero && number <= long.MaxValue
            ? (long)number
            : throw new BrokenFileException("has a tensor whose size, stride or offset is no natural number");
}
