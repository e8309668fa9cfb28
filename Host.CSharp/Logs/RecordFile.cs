using System.Buffers.Binary;
using System.Numerics;

namespace Hybrid.Host.Logs;

/// <summary>
/// A file of records as TensorFlow frames them: each its length in eight bytes, the length's checksum, its bytes, and
/// their checksum. All numbers have their low byte first.
/// </summary>
public sealed class RecordFile : IDisposable
{
    /// <summary>Bytes around a record: its length and the two checksums.</summary>
    private const int Frame = 16;

    private readonly FileStream _file;

    /// <summary>Makes a new file; others may read it while it grows.</summary>
    /// <exception cref="IOException">It is there already, or cannot be made.</exception>
    public RecordFile(string path) =>
        _file = new FileStream(path, FileMode.CreateNew, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete);

    public long Length => _file.Length;

    /// <summary>Adds one record. It is in the file when this returns.</summary>
    public void Append(ReadOnlySpan<byte> record)
    {
        var framed = new byte[Frame + record.Length];
        BinaryPrimitives.WriteUInt64LittleEndian(framed, (ulong)record.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(framed.AsSpan(8), MaskedChecksum(framed.AsSpan(0, 8)));
        record.CopyTo(framed.AsSpan(12));
        BinaryPrimitives.WriteUInt32LittleEndian(framed.AsSpan(12 + record.Length), MaskedChecksum(record));
        _file.Write(framed);
        _file.Flush();
    }

    /// <summary>What was added is on the disk when this returns.</summary>
    public void Sync() => _file.Flush(flushToDisk: true);

    public void Dispose() => _file.Dispose();

    /// <summary>Takes away the records that were added to a file after it had this length, and half a record at its end.
    /// </summary>
    public static void Cut(string path, long length)
    {
        using var file = new FileStream(
            path,
            FileMode.Open,
            FileAccess.ReadWrite,
            FileShare.ReadWrite | FileShare.Delete
        );
        var end = Math.Min(length, file.Length);
        var at = 0L;
        Span<byte> header = stackalloc byte[8];
        while (end - at >= Frame)
        {
            file.Position = at;
            file.ReadExactly(header);
            var size = BinaryPrimitives.ReadUInt64LittleEndian(header);
            if (size > (ulong)(end - at - Frame))
                break;
            at += Frame + (long)size;
        }
        if (at < file.Length)
            file.SetLength(at);
    }

    /// <summary>
    /// The checksum, turned by 15 bits and moved by a constant: a checksum of bytes that hold their own checksum would
    /// say little.
    /// </summary>
    public static uint MaskedChecksum(ReadOnlySpan<byte> bytes) =>
        unchecked(BitOperations.RotateRight(Crc32C(bytes), 15) + 0xa282ead8u);

    /// <summary>CRC-32C, Castagnoli's polynomial 0x1EDC6F41, as RFC 3720 (iSCSI) computes it.</summary>
    public static uint Crc32C(ReadOnlySpan<byte> bytes)
    {
        var crc = uint.MaxValue;
        for (; bytes.Length >= 8; bytes = bytes[8..])
            crc = BitOperations.Crc32C(crc, BinaryPrimitives.ReadUInt64LittleEndian(bytes));
        foreach (var b in bytes)
            crc = BitOperations.Crc32C(crc, b);
        return ~crc;
    }
}
