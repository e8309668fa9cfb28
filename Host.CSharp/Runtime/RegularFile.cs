namespace Hybrid.Host.Runtime;

/// <summary>Files of one's own that lie in a folder which may have come from elsewhere: behind a link there lies somebody
/// else's file.</summary>
public static class RegularFile
{
    /// <summary>Opens a file to read and write, or makes it.</summary>
    /// <exception cref="WorkException">It is a link, or no file with a length.</exception>
    public static FileStream Open(string path, FileShare share)
    {
        RefuseLink(path);
        if (Directory.Exists(path))
            throw new WorkException($"'{path}' is a folder where a file belongs: move it away");
        // For reading too: to open a pipe for writing alone waits until somebody reads it.
        var file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, share);
        if (file.CanSeek)
            return file;
        file.Dispose();
        throw new WorkException($"'{path}' is no ordinary file: remove it");
    }

    /// <exception cref="WorkException">It is a link.</exception>
    public static void RefuseLink(string path)
    {
        if (new FileInfo(path).LinkTarget is not null)
            throw new WorkException(
                $"'{path}' is a link, and what it points to would be written: put the file in its place"
            );
    }
}
