using System.Text.RegularExpressions;
using Hybrid.Host.Runtime;

namespace Hybrid.Host.Checkpoints;

/// <summary>
/// Files that are there in whole or not at all: written beside the target, flushed to the disk, then renamed over
/// it. An interrupted write leaves the previous file as it was.
/// </summary>
public static partial class AtomicFile
{
    /// <summary>Writes <paramref name="path"/>, creating its folder where needed, unless told not to.</summary>
    /// <param name="path">The file to write or replace.</param>
    /// <param name="write">Receives the stream to fill; what it throws is passed on after cleaning up.</param>
    /// <param name="makeFolder">False where a folder that is gone is not to be made anew.</param>
    /// <exception cref="WorkException">The folder cannot be created or the file cannot be written.</exception>
    public static void Write(string path, Action<Stream> write, bool makeFolder = true)
    {
        var full = Path.GetFullPath(path);
        var folder = Path.GetDirectoryName(full) ?? throw new WorkException($"{path}: is a folder, not a file");
        var temporary = Path.Combine(folder, $".{Path.GetFileName(full)}.{Guid.NewGuid():N}.tmp");
        try
        {
            if (makeFolder)
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
            Leftover.Delete(temporary);
            // What .NET throws where the file system, or the user's limit, does not take a file of that size.
            if (
                e is ArgumentOutOfRangeException
                {
                    TargetSite.DeclaringType.Namespace: "Microsoft.Win32.SafeHandles" or "System.IO"
                }
            )
                throw new WorkException(
                    $"{path}: cannot be written: the file system or 'ulimit -f' takes no file of that size",
                    e
                );
            if (e is IOException or UnauthorizedAccessException)
                throw new WorkException($"{path}: cannot be written: {e.Message.Replace(temporary, full)}", e);
            throw;
        }
    }

    /// <summary>Removes what writers left in a folder that were killed. No writer may be at work there.</summary>
    public static void Sweep(string folder)
    {
        if (Directory.Exists(folder))
            foreach (var left in Directory.GetFiles(folder, ".*.tmp"))
                if (Temporary().IsMatch(Path.GetFileName(left)))
                    Leftover.Delete(left);
    }

    /// <summary>The name of a file that is being written, and of no other.</summary>
    [GeneratedRegex(@"^\..+\.[0-9a-f]{32}\.tmp$")]
    private static partial Regex Temporary();
}
