using System.Text;
using Hybrid.Host.Runtime;

namespace Hybrid.Host.Checkpoints;

/// <summary>A file that lies where a result is to be written. One of the result's own kind makes way for it; what else
/// somebody keeps there does not.</summary>
internal static class ReplacedFile
{
    private static readonly string[] Drawings = ["<svg", "<?xml"];

    /// <param name="option">What names the file to write.</param>
    /// <param name="drawing">A diagram is written, else a checkpoint.</param>
    /// <returns>Whether there is one.</returns>
    /// <exception cref="RequestException">It is of another kind, a folder, a pipe or a device.</exception>
    public static bool Check(string option, string target, bool drawing)
    {
        if (Directory.Exists(target))
            throw new RequestException($"{option} {target} is a folder: name a file in it");
        if (!File.Exists(target))
            return false;
        try
        {
            // A pipe or a device has no length. Opened for both ways it is not waited for.
            var empty =
                new FileInfo(File.ResolveLinkTarget(target, true)?.FullName ?? target)
                is not { Exists: true, Length: > 0 };
            using var file = new FileStream(
                target,
                FileMode.Open,
                empty ? FileAccess.ReadWrite : FileAccess.Read,
                FileShare.ReadWrite
            );
            if (!file.CanSeek)
                throw new RequestException($"{option} {target} is a pipe or a device: name a file");
            if (!empty && !(drawing ? IsDrawing(file) : IsCheckpoint(file)))
                throw new RequestException(
                    $"{option} {target} is there already and is no {(drawing ? "drawing" : "checkpoint")}: name another file, "
                        + "or remove it"
                );
            return true;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new RequestException($"{option} {target} is there already and cannot be looked at: {error.Message}");
        }
    }

    private static bool IsCheckpoint(Stream file)
    {
        try
        {
            FileFront.Check(file);
            return true;
        }
        catch (BrokenFileException)
        {
            return false;
        }
    }

    private static bool IsDrawing(Stream file)
    {
        var head = new byte[64];
        var text = Encoding.UTF8.GetString(head, 0, file.ReadAtLeast(head, head.Length, throwOnEndOfStream: false));
        return Drawings.Any(text.TrimStart('\uFEFF', ' ', '\n', '\r', '\t').StartsWith);
    }
}
