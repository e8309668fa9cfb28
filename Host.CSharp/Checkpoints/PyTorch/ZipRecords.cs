using System.Buffers.Binary;
using System.IO.Hashing;
using System.Text;

namespace Hybrid.Host.Checkpoints;

/// <summary>
/// The records of a zip archive whose entries are stored uncompressed, as torch.save writes them. Stricter than
/// zip: names are unique, entries do not overlap, headers agree, checksums hold, and nothing follows the directory.
/// Two readers cannot see different files in it. Source: PKWARE's APPNOTE.TXT, 4.3.
/// </summary>
internal static class ZipRecords
{
    private const uint Local = 0x04034b50,
        Central = 0x02014b50,
        End = 0x06054b50;
    private const uint End64 = 0x06064b50,
        Locator64 = 0x07064b50;
    private const int EndLength = 22,
        LocatorLength = 20,
        End64Length = 56,
        CentralLength = 46,
        LocalLength = 30;
    private const int Encrypted = 1,
        SizesFollow = 8;

    private sealed record Entry(string Name, uint Crc, int Size, long Header, int Flags, bool Packed);

    public static bool Recognises(ReadOnlySpan<byte> file) =>
        file.Length >= 4 && BinaryPrimitives.ReadUInt32LittleEndian(file) == Local;

    /// <summary>Every record by name, as windows on <paramref name="file"/>.</summary>
    public static Dictionary<string, ReadOnlyMemory<byte>> Open(ReadOnlyMemory<byte> file)
    {
        var (begin, length, count) = Directory(file.Span, 0);
        var start = (int)begin;
        var entries = Entries(file.Span.Slice(start, length), count);
        if (ForeignFile.DescribeZip([.. entries.Select(entry => entry.Name)]) is { } foreign)
            throw new BrokenFileException(foreign);
        var records = new Dictionary<string, ReadOnlyMemory<byte>>();
        long free = 0;
        foreach (var entry in entries.OrderBy(e => e.Header))
        {
            if (entry.Packed)
                throw new BrokenFileException(
                    $"entry {Quoted.Of(entry.Name)} is compressed; torch.save stores its entries as they are"
                );
            if (entry.Header < free)
                throw new BrokenFileException($"entry {Quoted.Of(entry.Name)} overlaps another");
            var (data, dataEnd) = Data(file[..start], entry);
            if (Crc32.HashToUInt32(data.Span) != entry.Crc)
                throw new BrokenFileException($"entry {Quoted.Of(entry.Name)} is corrupted: its checksum differs");
            if (!records.TryAdd(entry.Name, data))
                throw new BrokenFileException($"has two entries {Quoted.Of(entry.Name)}");
            free = dataEnd;
        }
        return records;
    }

    /// <summary>Bytes at the end of a zip without a comment in which the place of its directory is told.</summary>
    public const int TailLength = EndLength + LocatorLength + End64Length;

    /// <summary>How many bytes the entries of a directory hold together.</summary>
    public static long Content(ReadOnlySpan<byte> directory, int count) =>
        Entries(directory, count).Sum(entry => (long)entry.Size);

    /// <summary>Where the directory is.</summary>
    /// <param name="file">The file, or the end of it.</param>
    /// <param name="offset">Where in the file that begins.</param>
    public static (long Start, int Length, int Count) Directory(ReadOnlySpan<byte> file, long offset)
    {
        var at = file.Length - EndLength;
        if (at < 0 || U32(file, at) != End || U16(file, at + 20) != 0)
            throw new BrokenFileException(
                "is truncated or followed by other bytes: it does not end in a zip directory"
            );
        if (U16(file, at + 4) != 0 || U16(file, at + 6) != 0)
            throw new BrokenFileException("is split over several files");
        ulong count = U16(file, at + 10),
            length = U32(file, at + 12),
            start = U32(file, at + 16);
        if (U16(file, at + 8) != count)
            throw Inconsistent();
        var wide = at - LocatorLength;
        if (wide >= End64Length && U32(file, wide) == Locator64)
        {
            at = wide - End64Length;
            if (U64(file, wide + 8) != (ulong)(offset + at) || U32(file, at) != End64)
                throw Inconsistent();
            if (U64(file, at + 4) != End64Length - 12)
                throw Inconsistent();
            count = Wider(count, ushort.MaxValue, U64(file, at + 32));
            length = Wider(length, uint.MaxValue, U64(file, at + 40));
            start = Wider(start, uint.MaxValue, U64(file, at + 48));
        }
        var end = (ulong)(offset + at);
        if (start > end || length != end - start || length > int.MaxValue || count > length / CentralLength)
            throw Inconsistent();
        return ((long)start, (int)length, (int)count);
    }

    // The 64-bit form may repeat the narrow number or stand in for it, but not contradict it.
    private static ulong Wider(ulong narrow, ulong saturated, ulong wide) =>
        narrow == wide || narrow == saturated ? wide : throw Inconsistent();

    private static List<Entry> Entries(ReadOnlySpan<byte> directory, int count)
    {
        var entries = new List<Entry>(count);
        var at = 0;
        for (var i = 0; i < count; i++)
        {
            if (directory.Length - at < CentralLength || U32(directory, at) != Central)
                throw Inconsistent();
            int name = U16(directory, at + 28),
                extra = U16(directory, at + 30),
                comment = U16(directory, at + 32);
            if (directory.Length - at - CentralLength < name + extra + comment)
                throw Inconsistent();
            entries.Add(Described(directory[at..], name));
            at += CentralLength + name + extra + comment;
        }
        return at == directory.Length ? entries : throw Inconsistent();
    }

    private static Entry Described(ReadOnlySpan<byte> central, int nameLength)
    {
        var name = Encoding.Latin1.GetString(central.Slice(CentralLength, nameLength));
        int flags = U16(central, 8),
            method = U16(central, 10);
        if ((flags & Encrypted) != 0)
            throw new BrokenFileException($"entry {Quoted.Of(name)} is encrypted");
        uint packed = U32(central, 20),
            size = U32(central, 24);
        if (method == 0 && packed != size || size > int.MaxValue)
            throw new BrokenFileException($"entry {Quoted.Of(name)} has sizes that cannot be");
        return new Entry(name, U32(central, 16), (int)size, U32(central, 42), flags, Packed: method != 0);
    }

    private static (ReadOnlyMemory<byte> Bytes, long End) Data(ReadOnlyMemory<byte> body, Entry entry)
    {
        if (entry.Header > body.Length - LocalLength)
            throw Outside(entry);
        var local = body.Span[(int)entry.Header..];
        var name = Encoding.Latin1.GetBytes(entry.Name);
        int nameLength = U16(local, 26),
            skip = LocalLength + nameLength + U16(local, 28);
        if (U32(local, 0) != Local || U16(local, 8) != 0 || nameLength != name.Length)
            throw Contradicted(entry);
        if (skip > local.Length || entry.Size > local.Length - skip)
            throw Outside(entry);
        if (!local.Slice(LocalLength, nameLength).SequenceEqual(name))
            throw Contradicted(entry);
        // Written as a stream, the sizes stand behind the data and are zero here.
        var follows = (entry.Flags & SizesFollow) != 0;
        if (!follows && (U32(local, 14) != entry.Crc || U32(local, 18) != entry.Size || U32(local, 22) != entry.Size))
            throw Contradicted(entry);
        var start = (int)entry.Header + skip;
        return (body.Slice(start, entry.Size), start + entry.Size);
    }

    private static BrokenFileException Outside(Entry entry) =>
        new($"entry {Quoted.Of(entry.Name)} reaches beyond the archive's data");

    private static BrokenFileException Contradicted(Entry entry) =>
        new($"entry {Quoted.Of(entry.Name)} is not what the directory says");

    private static BrokenFileException Inconsistent() => new("has an inconsistent zip directory");

    private static ushort U16(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt16LittleEndian(bytes[at..]);

    private static uint U32(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt32LittleEndian(bytes[at..]);

    private static ulong U64(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt64LittleEndian(bytes[at..]);
}
