using Hybrid.Host.Runtime;

namespace Hybrid.Host.Checkpoints;

/// <summary>
/// A checkpoint's bytes in one block. Tensors are windows on this block, so that what a file makes us allocate is
/// its own length, plus at most that once more for tensors that are stored strided.
/// </summary>
internal static class FileBytes
{
    /// <summary>Reads the file and hands its bytes to <paramref name="parse"/>.</summary>
    /// <exception cref="RequestException">No such file, a folder, or an empty file.</exception>
    /// <exception cref="WorkException">It cannot be read, or <paramref name="parse"/> found it broken.</exception>
    public static T Parse<T>(string path, Func<ReadOnlyMemory<byte>, T> parse)
    {
        var bytes = Load(path);
        return Named(path, () => parse(bytes));
    }

    /// <summary>Reads something of the file, and says which file it was where that fails.</summary>
    /// <exception cref="WorkException"><paramref name="read"/> found it broken.</exception>
    public static T Named<T>(string path, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (BrokenFileException e)
        {
            throw new WorkException($"{path}: {e.Message}", e);
        }
    }

    private static void Named(string path, Action read) =>
        Named(
            path,
            () =>
            {
                read();
                return true;
            }
        );

    private static byte[] Load(string path)
    {
        if (string.IsNullOrWhiteSpace(path) || path.Contains('\0'))
            throw new RequestException("the checkpoint's path is empty or not a path");
        if (Directory.Exists(path))
            throw new RequestException($"{path}: {ForeignFile.DescribeFolder(path)}");
        try
        {
            // A pipe or a device says so too, and to open it would be to wait for whoever writes into it.
            var target = File.ResolveLinkTarget(path, returnFinalTarget: true)?.FullName ?? path;
            var found = new FileInfo(target);
            if (File.Exists(path) && (!found.Exists || found.Length == 0))
                throw new RequestException($"{path}: is empty, or a pipe or a device, which is not read");
            using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read);
            if (!stream.CanSeek)
                throw new RequestException($"{path}: is a pipe or a device, which is not read");
            if (stream.Length > Array.MaxLength)
                throw new WorkException($"{path}: has {stream.Length} bytes; checkpoints of up to 2 GiB are read");
            Named(path, () => FileFront.Check(stream));
            stream.Position = 0;
            var bytes = GC.AllocateUninitializedArray<byte>((int)stream.Length);
            stream.ReadExactly(bytes);
            return bytes;
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new RequestException($"{path}: no such file");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new WorkException($"{path}: cannot be read: {e.Message}", e);
        }
    }
}
