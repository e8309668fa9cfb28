using System.Security.Cryptography;
using System.Text;
using Hybrid.Host.Checkpoints;
using Hybrid.Host.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Hybrid.Host.Data;

/// <summary>
/// Pictures that were decoded before, so that a folder is decoded once: one file for each folder and size, good for
/// exactly the files that were there then, with their bytes. A file that is damaged or of other pictures
/// is written anew, so that a folder that changes does not fill the disk.
/// </summary>
/// <param name="folder">Where the files are; null for no cache.</param>
/// <param name="blockBytes">How much is decoded before it is written.</param>
public sealed class ImageCache(string? folder, int blockBytes = PictureReading.BlockBytes)
{
    /// <summary>The environment variable with another folder for the files, or <c>off</c>.</summary>
    public const string Variable = "HYBRID_CACHE";

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

    /// <summary>The pictures of these files, decoded only where that has not been done before. They lie in the cache's own
    /// file, or in memory where there is none.</summary>
    /// <exception cref="RequestException">They would not fit into memory.</exception>
    /// <exception cref="OperationCanceledException">Interrupted.</exception>
    public StoredPictures Get(LabelledFiles files, int height, int width, Output output)
    {
        (int[] Kept, PictureRemark[] Remarks) Decode(Action<ReadOnlySpan<byte>> put) =>
            PictureReading.Decode($"Reading {files.Folder}", files.Paths, height, width, output, put, blockBytes);
        if (folder is null)
            return InMemory(files, height, width, Decode);
        var place = Name(files.Folder, height, width);
        var key = Key(files);
        if (PixelFile.TryMap(place, key, files.Paths.Count, height, width) is { } cached)
            return cached;
        try
        {
            Sweep(folder);
            PixelFile.Write(place, key, Decode);
            if (PixelFile.TryMap(place, key, files.Paths.Count, height, width) is { } written)
                return Kept(place, written);
            output.Warning($"the decoded pictures in {place} cannot be mapped into memory: they are decoded again");
        }
        catch (Exception error) when (error is WorkException or IOException or UnauthorizedAccessException)
        {
            output.Warning($"the decoded pictures will be decoded again next time: {error.Message}");
        }

        return InMemory(files, height, width, Decode);
    }

    /// <summary>Only what the files' contents say stays in the cache: what could not be opened is tried again next time. What
    /// is mapped stays until nobody looks at it.</summary>
    private static StoredPictures Kept(string place, StoredPictures pictures)
    {
        if (pictures.Remarks.Any(remark => !remark.Lasting))
            Leftover.Delete(place);
        return pictures;
    }

    private static StoredPictures InMemory(
        LabelledFiles files,
        int height,
        int width,
        Func<Action<ReadOnlySpan<byte>>, (int[] Kept, PictureRemark[] Remarks)> decode
    )
    {
        var bytes = (long)files.Paths.Count * height * width * ImageSet.Channels;
        if (bytes > GC.GetGCMemoryInfo().TotalAvailableMemoryBytes)
            throw new RequestException(
                $"'{files.Folder}': {Counted.Of(files.Paths.Count, "picture")} of {height}x{width} take {bytes / (1 << 20):N0} MiB, "
                    + $"more than the memory there is: name a folder with room for them by the variable {Variable}, or bring them "
                    + "to a smaller --image-size"
            );
        using var scope = torch.NewDisposeScope();
        var all = torch.empty([bytes], ScalarType.Byte);
        var end = 0L;
        var (kept, remarks) = decode(block =>
        {
            if (block.Length > 0)
                block.CopyTo(all.narrow(0, end, block.Length).bytes);
            end += block.Length;
        });
        var pixels = all.narrow(0, 0, end).view(kept.Length, height, width, ImageSet.Channels);
        return new StoredPictures(pixels.DetachFromDisposeScope(), kept, remarks);
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
}
