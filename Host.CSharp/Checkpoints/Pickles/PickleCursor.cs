using System.Buffers.Binary;
using System.Numerics;
using System.Text;

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

    /// <summary>An integer in two's complement. Python's have no limit; one of more than 256 bits is nothing that
    /// is needed here and stays unread.</summary>
    public PickleValue Integer(ulong length)
    {
        var bytes = Take(length);
        return length <= WidestInt ? new PickleInt(new BigInteger(bytes)) : new PickleObject("builtins.int", []);
    }

    /// <summary>Text in UTF-8. Python also writes halves of pairs, as in names of files that are not UTF-8; they
    /// become replacement characters.</summary>
    public string Text(ulong length) => Encoding.UTF8.GetString(Take(length));

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
