namespace Hybrid.Host.Data;

/// <summary>Held while a folder is being filled, so that a second process waits instead of filling it too.</summary>
internal sealed class FolderLock : IDisposable
{
    private readonly FileStream _file;

    private FolderLock(FileStream file) => _file = file;

    /// <summary>Waits until the lock at <paramref name="path"/> is free and takes it.</summary>
    public static async Task<FolderLock> Take(string path, CancellationToken cancel)
    {
        for (var vanished = 0; ; vanished++)
        {
            try
            {
                // The system frees it when the process dies, so nobody ever waits for a process that is gone.
                return new FolderLock(
                    new FileStream(
                        path,
                        FileMode.OpenOrCreate,
                        FileAccess.ReadWrite,
                        FileShare.None,
                        1,
                        FileOptions.DeleteOnClose
                    )
                );
            }
            catch (IOException) when (File.Exists(path) || vanished < 5)
            {
                // Taken by another process, which may have let it go, and the file with it, a moment ago.
                await Task.Delay(TimeSpan.FromMilliseconds(200), cancel);
            }
        }
    }

    public void Dispose() => _file.Dispose();
}
