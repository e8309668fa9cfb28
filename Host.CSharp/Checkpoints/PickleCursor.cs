using System.Buffers.Binary;
using System.Numerics;
using System.Text;
using System.Text.Unicode;

namespace Hybrid.Host.Checkpoints;

/// <summary>The operands of a pickle's instructions, each checked against the bytes that are left.</summary>
internal sealed class PickleCursor(ReadOnlyMemory<byte> bytes, int position)
{
    private const int LongestName = 256,
        WidestInt = 32;

    public int Position => position;

    public int Total => bytes.Length;

    public int Remaining => bytes.Length - position;

    /// <summary>An error at this place: what the pickle does that it may not.</summary>
    public BrokenFileException Misplaced(string what) => new($"its pickle {what} before byte {position}");

    public byte Byte() => Take(1)[0];

    public ushort UInt16() => BinaryPrimitives.ReadUInt16LittleEndian(Take(2));

    public int Int32() => BinaryPrimitives.ReadInt32LittleEndian(Take(4));

    public uint UInt32() => BinaryPrimitives.ReadUInt32LittleEndian(Take(4));

    public ulong UInt64() => BinaryPrimitives.ReadUInt64LittleEndian(Take(8));

    public double Float64() => BinaryPrimitives.ReadDoubleBigEndian(Take(8));

    /// <summary>An integer in two's complement; Python's have no limit, ours are at most 256 bits.</summary>
    public BigInteger Integer(ulong length) =>
        length <= WidestInt
            ? new BigInteger(Take(length))
            : throw new BrokenFileException(
                $"its pickle holds an integer of {length} bytes; at most {WidestInt} are read"
            );

    public string Text(ulong length)
    {
        var text = Take(length);
        return Utf8.IsValid(text)
            ? Encoding.UTF8.GetString(text)
            : throw new BrokenFileException($"its pickle holds text that is not UTF-8 before byte {position}");
    }

    public ReadOnlyMemory<byte> Block(ulong length)
    {
        Take(length);
        return bytes.Slice(position - (int)length, (int)length);
    }

    /// <summary>A name that ends in a newline, as GLOBAL has them.</summary>
    public string Line()
    {
        var rest = bytes.Span[position..];
        var end = rest[..Math.Min(rest.Length, LongestName + 1)].IndexOf((byte)'\n');
        if (end < 0)
            throw new BrokenFileException($"its pickle holds a name without an end at byte {position}");
        var line = Text((ulong)end);
        position++;
        return line;
    }

    private ReadOnlySpan<byte> Take(ulong length)
    {
        if (length > (ulong)(bytes.Length - position))
            throw new BrokenFileException(
                $"is truncated: its pickle needs {length} bytes at {position} and has {bytes.Length - position}"
            );
        position += (int)length;
        return bytes.Span.Slice(position - (int)length, (int)length);
    }
}
