using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Hybrid.Host.Checkpoints;
using Hybrid.Host.Runtime;

namespace Hybrid.Host.Data;

/// <summary>
/// Pictures that were decoded before, so that a folder is decoded once: one file for each folder and size, good for
/// exactly the files that were there then, with their bytes. A file that is damaged or of other pictures
/// is written anew, so that a folder that changes does not fill the disk.
/// </summary>
/// <param name="folder">Where the files are; null for no cache.</param>
public sealed class ImageCache(string? folder)
{
    /// <summary>The environment variable with another folder for the files, or <c>off</c>.</summary>
    public const string Variable = "HYBRID_CACHE";

    private static ReadOnlySpan<byte> Magic => "HYBRID images 4\n"u8;

    private const int Digest = SHA256.HashSizeInBytes;

    /// <summary>The one in the user's cache folder, or where <see cref="Variable"/> says.</summary>
    public static ImageCache Usual() =>
        Environment.GetEnvironmentVariable(Variable) switch
        {
            null or "" => new(UserCache.Folder("images")),
            var text when text.Equals("off", StringComparison.OrdinalIgnoreCase) => new((string?)null),
            // Files of variables are read by no shell that would say where the home is.
            var text when text.StartsWith("~/", StringComparison.Ordinal) => new(
                Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), text[2..])
            ),
            var text => new(Path.GetFullPath(text)),
        };

    /// <summary>The pictures of these files, decoded only where that has not been done before.</summary>
    /// <exception cref="RequestException">They would not fit into one array.</exception>
    /// <exception cref="OperationCanceledException">Interrupted.</exception>
    public Pictures Get(LabelledFiles files, int height, int width, Output output)
    {
        Pictures Decode() => PictureReading.Read($"Reading {files.Folder}", files.Paths, height, width, output);
        if (folder is null)
            return Decode();
        var place = Name(files.Folder, height, width);
        var key = Key(files);
        if (TryRead(place, key, files.Paths.Count, height * width * ImageSet.Channels) is { } cached)
            return cached;
        var pictures = Decode();
        // Only what the files' contents say is kept: what could not be opened is tried again next time.
        if (pictures.Remarks.Any(remark => !remark.Lasting))
            return pictures;
        try
        {
            Sweep(folder);
            AtomicFile.Write(place, stream => Write(stream, key, pictures));
        }
        catch (Exception error) when (error is WorkException or IOException or UnauthorizedAccessException)
        {
            output.Warning($"the decoded pictures will be decoded again next time: {error.Message}");
        }

        return pictures;
    }

    /// <summary>Removes what writers left that were killed; one that is at work holds its file locked.</summary>
    private static void Sweep(string folder)
    {
        if (!Directory.Exists(folder))
            return;
        foreach (var left in Directory.EnumerateFiles(folder, ".*.images.*.tmp"))
            try
            {
                using (new FileStream(left, FileMode.Open, FileAccess.ReadWrite, FileShare.None)) { }
                File.Delete(left);
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                // Somebody is writing it, or may not be disturbed.
            }
    }

    private string Name(string pictures, int height, int width)
    {
        var hash = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(pictures)));
        return Path.Combine(folder!, $"{hash[..20]}-{height}x{width}.images");
    }

    /// <summary>What tells these files from any others: where they are, and their bytes. Sizes and times alone would not:
    /// unpacked archives and swapped folders have them in common.</summary>
    private static byte[] Key(LabelledFiles files)
    {
        var contents = new byte[files.Paths.Count][];
        Parallel.For(
            0,
            contents.Length,
            new ParallelOptions { CancellationToken = Interrupt.Token },
            place => contents[place] = Content(files.Paths[place])
        );
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var (place, path) in files.Paths.Index())
        {
            hash.AppendData(Encoding.UTF8.GetBytes($"{path}\0{contents[place].Length}\n"));
            hash.AppendData(contents[place]);
        }

        return hash.GetHashAndReset();
    }

    /// <summary>Empty for what can't be read, and for what has no size of its own, as a pipe.</summary>
    private static byte[] Content(string path)
    {
        try
        {
            if (PictureTree.Target(path) is not { Exists: true, Length: > 0 })
                return [];
            using var stream = File.OpenRead(path);
            return SHA256.HashData(stream);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    /// <summary>Layout: magic, key, count of pictures, length of the remarks, places, remarks as JSON, pixels, and the
    /// SHA-256 of all that. Numbers are four bytes, little-endian.</summary>
    private static void Write(Stream stream, byte[] key, Pictures pictures)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        void Put(ReadOnlySpan<byte> bytes)
        {
            hash.AppendData(bytes);
            stream.Write(bytes);
        }

        var remarks = JsonSerializer.SerializeToUtf8Bytes(pictures.Remarks);
        Put(Magic);
        Put(key);
        foreach (var number in (int[])[pictures.Kept.Length, remarks.Length, .. pictures.Kept])
            Put(BitConverter.GetBytes(number));
        Put(remarks);
        Put(pictures.Pixels);
        stream.Write(hash.GetHashAndReset());
    }

    private static Pictures? TryRead(string place, byte[] key, int files, int imageBytes)
    {
        try
        {
            using var stream = File.OpenRead(place);
            using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            byte[] Take(int length)
            {
                // No length that the file itself names is believed beyond what is left of the file.
                if (length < 0 || length > stream.Length - stream.Position - Digest)
                    throw new InvalidDataException();
                var bytes = GC.AllocateUninitializedArray<byte>(length);
                stream.ReadExactly(bytes);
                hash.AppendData(bytes);
                return bytes;
            }
            int Number() => BitConverter.ToInt32(Take(sizeof(int)));

            if (!Take(Magic.Length).AsSpan().SequenceEqual(Magic) || !Take(key.Length).AsSpan().SequenceEqual(key))
                return null;
            var (count, remarksLength) = (Number(), Number());
            if (count < 0 || count > files)
                return null;
            var kept = new int[count];
            for (var i = 0; i < count; i++)
                kept[i] = Number();
            var remarks = Take(remarksLength);
            var pixels = Take(checked(count * imageBytes));
            var digest = new byte[Digest];
            stream.ReadExactly(digest);
            return digest.AsSpan().SequenceEqual(hash.GetHashAndReset())
                ? new Pictures(pixels, kept, JsonSerializer.Deserialize<PictureRemark[]>(remarks)!)
                : null;
        }
        catch (Exception error)
            when (error
                    is IOException
                        or UnauthorizedAccessException
                        or InvalidDataException
                        or OverflowException
                        or JsonException
            )
        {
            return null;
        }
    }
}
