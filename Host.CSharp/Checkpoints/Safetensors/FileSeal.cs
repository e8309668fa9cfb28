using System.Security.Cryptography;
using System.Text;

namespace Hybrid.Host.Checkpoints;

/// <summary>
/// The SHA-256 of a whole safetensors file, header and tensors, inside its own metadata: taken with zeros in the place of
/// its 64 digits. A second entry says who wrote the file, so that a damaged name of the first does not pass for a file
/// of somebody who writes none.
/// </summary>
internal static class FileSeal
{
    private const string Key = "hybrid_sha256",
        WriterKey = "writer",
        Writer = "hybrid";
    private static readonly string Blank = new('0', 2 * SHA256.HashSizeInBytes);

    /// <summary>Adds the entries, blank.</summary>
    public static SortedDictionary<string, string> Prepare(IReadOnlyDictionary<string, string> metadata)
    {
        var entries = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var (key, value) in metadata)
            entries[key] = value;
        entries[Key] = Blank;
        entries[WriterKey] = Writer;
        return entries;
    }

    /// <summary>Fills the digits in.</summary>
    /// <param name="size">The header's length, as it precedes the header.</param>
    /// <param name="header">The header with the blank digits.</param>
    /// <param name="data">The tensors' bytes, in the order in which they follow.</param>
    public static void Close(ReadOnlySpan<byte> size, Span<byte> header, IEnumerable<ReadOnlyMemory<byte>> data)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(size);
        hash.AppendData(header);
        foreach (var block in data)
            hash.AppendData(block.Span);
        var digits = Convert.ToHexStringLower(hash.GetHashAndReset());
        Encoding.ASCII.GetBytes(digits, header[Place(header, Blank)..]);
    }

    /// <summary>Compares a file with its digits and takes the two entries out of its metadata; a file that has neither is
    /// another program's.</summary>
    /// <exception cref="BrokenFileException">The file is not what was written.</exception>
    public static void Check(ReadOnlySpan<byte> file, int headerLength, Dictionary<string, string> metadata)
    {
        var ours = metadata.GetValueOrDefault(WriterKey) == Writer;
        if (!metadata.Remove(Key, out var stated) && !ours)
            return;
        if (ours)
            metadata.Remove(WriterKey);
        if (stated?.Length != Blank.Length || stated != Digits(file, headerLength, stated))
            throw new BrokenFileException("is damaged: its checksum differs from what was written");
    }

    private static string? Digits(ReadOnlySpan<byte> file, int headerLength, string stated)
    {
        var place = Place(file.Slice(sizeof(long), headerLength), stated);
        if (place < 0)
            return null;
        place += sizeof(long);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(file[..place]);
        hash.AppendData(Encoding.ASCII.GetBytes(Blank));
        hash.AppendData(file[(place + Blank.Length)..]);
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    private static int Place(ReadOnlySpan<byte> header, string digits)
    {
        var entry = Encoding.UTF8.GetBytes($"\"{Key}\":\"{digits}\"");
        var at = header.IndexOf(entry);
        return at < 0 ? at : at + entry.Length - 1 - digits.Length;
    }
}
