using System.Buffers.Binary;

namespace Hybrid.Host.Checkpoints;

/// <summary>
/// What the first bytes of a file tell, and of a zip the last ones, before the rest is read. A file may say that it has two
/// gigabytes without having them on the disk: it is read only where its own lists account for them.
/// </summary>
internal static class FileFront
{
    private const int HeadLength = 4096;

    /// <summary>Bytes between two entries of a zip: its headers, and what aligns the data.</summary>
    private const int MostBetween = 70_000;

    /// <exception cref="BrokenFileException">It is in no known format, or not as long as it says.</exception>
    public static void Check(Stream file)
    {
        var head = Block(file, 0, (int)Math.Min(HeadLength, file.Length));
        // First of all: a header of 640 bytes begins as a pickle does.
        if (Safetensors.Recognises(head))
            CheckSafetensors(file, head);
        else if (ZipRecords.Recognises(head))
            CheckZip(file);
        else if (TorchLegacy.Recognises(head))
            TorchLegacy.CheckMagic(head);
        else if (!PyTorchArchive.Recognises(head))
            throw new BrokenFileException(ForeignFile.Describe(head));
    }

    private static void CheckZip(Stream file)
    {
        var tailLength = (int)Math.Min(ZipRecords.TailLength, file.Length);
        var offset = file.Length - tailLength;
        var (start, length, count) = ZipRecords.Directory(Block(file, offset, tailLength), offset);
        var accounted = ZipRecords.Content(Block(file, start, length), count) + (long)count * MostBetween;
        if (start > accounted)
            throw new BrokenFileException($"has {start} bytes of which its zip directory knows {accounted} at most");
    }

    private static void CheckSafetensors(Stream file, ReadOnlySpan<byte> head)
    {
        var length = Safetensors.HeaderLength(head, file.Length);
        Safetensors.CheckHeader(Block(file, sizeof(long), length), file.Length - sizeof(long) - length);
    }

    private static byte[] Block(Stream file, long start, int length)
    {
        var block = new byte[length];
        file.Position = start;
        file.ReadExactly(block);
        return block;
    }
}
