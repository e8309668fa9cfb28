using System.IO.Hashing;
using System.Text;
using Hybrid.Host.Runtime;

namespace Hybrid.Host.Checkpoints;

/// <summary>
/// Writes a zip of uncompressed entries, each entry's data beginning at a multiple of 64 bytes so that PyTorch can
/// map it into memory. The gap is an extra field with the id "FB", as PyTorch's own writer makes it. The date of
/// every entry is 1 January 1980, so that equal records give equal bytes.
/// </summary>
internal static class StoredZip
{
    private const int Alignment = 64,
        LocalLength = 30;
    private const ushort NoFlags = 0,
        Stored = 0,
        Version = 20,
        Midnight = 0,
        FirstDay = 0x21;

    public static void Write(Stream stream, IReadOnlyList<(string Name, ReadOnlyMemory<byte> Data)> records)
    {
        if (records.Count >= ushort.MaxValue)
            throw new WorkException($"a checkpoint of {records.Count} tensors is too large");
        using var zip = new BinaryWriter(stream, Encoding.ASCII, leaveOpen: true);
        using var directory = new MemoryStream();
        using var central = new BinaryWriter(directory);
        long at = 0;
        foreach (var (name, data) in records)
        {
            var nameBytes = Encoding.ASCII.GetBytes(name);
            var crc = Crc32.HashToUInt32(data.Span);
            var start = at + LocalLength + nameBytes.Length + 4;
            var padding = (int)((Alignment - start % Alignment) % Alignment);
            if (start + padding + data.Length > uint.MaxValue)
                throw new WorkException("a checkpoint of more than 4 GiB cannot be written");
            zip.Write(0x04034b50u);
            Common(zip, crc, data.Length, nameBytes.Length, 4 + padding);
            zip.Write(nameBytes);
            zip.Write("FB"u8);
            zip.Write((ushort)padding);
            for (var i = 0; i < padding; i++)
                zip.Write((byte)'Z');
            zip.Write(data.Span);

            central.Write(0x02014b50u);
            central.Write(Version);
            Common(central, crc, data.Length, nameBytes.Length, 0);
            central.Write(new byte[10]); // no comment, first disk, no attributes
            central.Write((uint)at);
            central.Write(nameBytes);
            at = start + padding + data.Length;
        }
        if (at + directory.Length > uint.MaxValue)
            throw new WorkException("a checkpoint of more than 4 GiB cannot be written");
        zip.Write(directory.ToArray());
        zip.Write(0x06054b50u);
        zip.Write(0u); // this disk, the directory's disk
        zip.Write((ushort)records.Count);
        zip.Write((ushort)records.Count);
        zip.Write((uint)directory.Length);
        zip.Write((uint)at);
        zip.Write((ushort)0);
    }

    // What the two headers of an entry share, in the same order.
    private static void Common(BinaryWriter header, uint crc, int size, int nameLength, int extraLength)
    {
        header.Write(Version);
        header.Write(NoFlags);
        header.Write(Stored);
        header.Write(Midnight);
        header.Write(FirstDay);
        header.Write(crc);
        header.Write(size);
        header.Write(size);
        header.Write((ushort)nameLength);
        header.Write((ushort)extraLength);
    }
}
