using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.Json;
using Hybrid.Host.Checkpoints;
using Hybrid.Host.Runtime;
using static TorchSharp.torch;

namespace Hybrid.Host.Data;

/// <summary>
/// Decoded pictures as a file that serves as the memory they are in: it is mapped, so that only what is looked at is read,
/// and all processes that train on a set share its pages. Layout: magic, pixels, then the trailer: key, count of pictures,
/// their places, remarks as JSON; the trailer's length, and the SHA-256 of all that. Numbers are little-endian.
/// </summary>
internal static class PixelFile
{
    private const int Digest = SHA256.HashSizeInBytes;

    private const int KeyBytes = SHA256.HashSizeInBytes;

    private const int HashedAtOnce = 1 << 26;

    private static ReadOnlySpan<byte> Magic => "HYBRID images 5\n"u8;

    /// <summary>Writes a file by what <paramref name="decode"/> hands on, in whole or not at all.</summary>
    /// <param name="key">Tells the pictures from others, 32 bytes.</param>
    /// <exception cref="WorkException">It cannot be written.</exception>
    public static void Write(
        string path,
        byte[] key,
        Func<Action<ReadOnlySpan<byte>>, (int[] Kept, PictureRemark[] Remarks)> decode
    ) =>
        AtomicFile.Write(
            path,
            stream =>
            {
                using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
                void Put(ReadOnlySpan<byte> bytes)
                {
                    hash.AppendData(bytes);
                    stream.Write(bytes);
                }

                Put(Magic);
                var (kept, remarks) = decode(Put);
                var said = JsonSerializer.SerializeToUtf8Bytes(remarks);
                Put(key);
                foreach (var number in (int[])[kept.Length, .. kept])
                    Put(BitConverter.GetBytes(number));
                Put(said);
                Put(BitConverter.GetBytes(KeyBytes + sizeof(int) * (1L + kept.Length) + said.Length));
                stream.Write(hash.GetHashAndReset());
            }
        );

    /// <summary>Maps a file; null where there is none, or it is damaged, of other pictures or of another size.</summary>
    /// <param name="files">How many pictures there are at most.</param>
    public static StoredPictures? TryMap(string path, byte[] key, int files, int height, int width)
    {
        try
        {
            // What is mapped is what is checked: the name may be another file's a moment later.
            var length = new FileInfo(path).Length;
            if (length < Magic.Length + KeyBytes + sizeof(int) + sizeof(long) + Digest)
                return null;
            using var scope = NewDisposeScope();
            var all = from_file(path, shared: false, size: length, dtype: ScalarType.Byte);
            if (!IsWhole(all, length) || !Bytes(all, 0, Magic.Length).SequenceEqual(Magic))
                return null;
            var end = length - Digest - sizeof(long);
            var trailer = end - BitConverter.ToInt64(Bytes(all, end, sizeof(long)));
            if (trailer < Magic.Length || trailer > end - KeyBytes - sizeof(int))
                return null;
            var rest = Bytes(all, trailer, checked((int)(end - trailer)));
            if (!rest[..KeyBytes].SequenceEqual(key))
                return null;
            rest = rest[KeyBytes..];
            var count = BitConverter.ToInt32(rest);
            rest = rest[sizeof(int)..];
            var pixels = trailer - Magic.Length;
            if (count < 0 || count > files || pixels != (long)count * height * width * ImageSet.Channels)
                return null;
            var kept = MemoryMarshal.Cast<byte, int>(rest[..checked(count * sizeof(int))]).ToArray();
            var remarks = JsonSerializer.Deserialize<PictureRemark[]>(rest[(count * sizeof(int))..])!;
            var images = all.narrow(0, Magic.Length, pixels).view(count, height, width, ImageSet.Channels);
            return new StoredPictures(images.DetachFromDisposeScope(), kept, remarks);
        }
        catch (Exception error)
            when (error
                    is IOException
                        or UnauthorizedAccessException
                        or OverflowException
                        or ArgumentException
                        or JsonException
                        or ExternalException
            )
        {
            return null;
        }
    }

    private static bool IsWhole(Tensor all, long length)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var end = length - Digest;
        for (var start = 0L; start < end; start += HashedAtOnce)
            hash.AppendData(Bytes(all, start, (int)Math.Min(HashedAtOnce, end - start)));
        return Bytes(all, end, Digest).SequenceEqual(hash.GetHashAndReset());
    }

    /// <summary>For as long as <paramref name="all"/> is there.</summary>
    private static ReadOnlySpan<byte> Bytes(Tensor all, long start, int length) => all.narrow(0, start, length).bytes;
}
