using System.Text.RegularExpressions;
using Hybrid.Host.Runtime;

namespace Hybrid.Host.Checkpoints;

/// <summary>
/// Files that are there in whole or not at all: written beside the target, flushed to the disk, then renamed over
/// it. An interrupted write leaves the previous file as it was.
/// </summary>
public static partial class AtomicFile
{
    /// <summary>Writes <paramref name="path"/>, creating its folder where needed.</summary>
    /// <param name="path">The file to write or replace.</param>
    /// <param name="write">Receives the stream to fill; what it throws is passed on after cleaning up.</param>
    /// <exception cref="WorkException">The folder cannot be created or the file cannot be written.</exception>
    public static void Write(string path, Action<Stream> write)
    {
        var full = Path.GetFullPath(path);
        var folder = Path.GetDirectoryName(full) ?? throw new WorkException($"{path}: is a folder, not a file");
        var temporary = Path.Combine(folder, $".{Path.GetFileName(full)}.{Guid.NewGuid():N}.tmp");
        try
        {
            Directory.CreateDirectory(folder);
            using (var stream = new FileStream(temporary, FileMode.CreateNew, FileAccess.Write))
            {
                write(stream);
                stream.Flush(flushToDisk: true);
            }
            File.Move(temporary, full, overwrite: true);
        }
        catch (Exception e)
        {
            Forget(temporary);
            if (e is IOException or UnauthorizedAccessException)
                throw new WorkException($"{path}: cannot be written: {e.Message}", e);
            throw;
        }
    }

    /// <summary>Removes what writers left in a folder that were killed. No writer may be at work there.</summary>
    public static void Sweep(string folder)
    {
        if (Directory.Exists(folder))
            foreach (var left in Directory.GetFiles(folder, ".*.tmp"))
                if (Temporary().IsMatch(Path.GetFileName(left)))
                    Forget(left);
    }

    /// <summary>The name of a file that is being written, and of no other.</summary>
    [GeneratedRegex(@"^\..+\.[0-9a-f]{32}\.tmp$")]
    private static partial Regex Temporary();

    private static void Forget(string temporary)
    {
        try
        {
            File.Delete(temporary);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The first failure is the one worth reporting.
        }
    }
}
