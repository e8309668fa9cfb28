using System.Buffers.Binary;
using System.Text;

namespace Hybrid.Host.Runtime;

/// <summary>A shared object of 64-bit little-endian ELF, read by its section headers. Every read is checked against
/// the file's length, and whatever lies outside throws <see cref="InvalidDataException"/>.</summary>
internal readonly ref struct ElfImage
{
    internal const uint RelocationsWithAddend = 4;
    internal const uint DynamicSymbols = 11;
    internal const uint VersionNeeds = 0x6ffffffe;
    internal const uint SymbolVersions = 0x6fffffff;

    /// <summary>One entry of the section header table; <c>Info</c> of a version section counts its files.</summary>
    internal readonly record struct Section(uint Type, long Offset, long Size, int Link, uint Info);

    private readonly ReadOnlySpan<byte> bytes;

    internal ElfImage(ReadOnlySpan<byte> bytes)
    {
        this.bytes = bytes;
        ReadOnlySpan<byte> magic = [0x7f, (byte)'E', (byte)'L', (byte)'F', 2, 1, 1];
        if (!bytes.StartsWith(magic) || U16(16) != 3)
            throw new InvalidDataException("not a 64-bit little-endian ELF shared object");
    }

    internal ushort U16(long offset) => BinaryPrimitives.ReadUInt16LittleEndian(At(offset, 2));

    internal uint U32(long offset) => BinaryPrimitives.ReadUInt32LittleEndian(At(offset, 4));

    /// <summary>An address or length; nothing in a file we can hold is past 2^62.</summary>
    internal long U64(long offset)
    {
        var value = BinaryPrimitives.ReadUInt64LittleEndian(At(offset, 8));
        return value < 1UL << 62 ? (long)value : throw new InvalidDataException($"{value} is no offset in this file");
    }

    /// <summary>The zero-terminated string at an offset into a string table.</summary>
    internal string Text(Section table, uint index)
    {
        if (index >= table.Size)
            throw new InvalidDataException("a name lies outside its string table");
        var rest = At(table.Offset + index, table.Size - index);
        var end = rest.IndexOf((byte)0);
        return end >= 0 ? Encoding.ASCII.GetString(rest[..end]) : throw new InvalidDataException("a name has no end");
    }

    internal List<Section> Sections()
    {
        var start = U64(40);
        var size = U16(58);
        var count = U16(60);
        if (size < 64)
            throw new InvalidDataException("no section headers");
        var sections = new List<Section>(count);
        for (var i = 0; i < count; i++)
        {
            var at = start + (long)i * size;
            sections.Add(
                new(U32(at + 4), U64(at + 24), U64(at + 32), checked((int)(U32(at + 40) & int.MaxValue)), U32(at + 44))
            );
        }
        return sections;
    }

    private ReadOnlySpan<byte> At(long offset, long length) =>
        offset >= 0 && length >= 0 && offset <= bytes.Length - length
            ? bytes.Slice((int)offset, (int)length)
            : throw new InvalidDataException($"the file ends before offset {offset} + {length}");
}
