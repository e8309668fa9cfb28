using System.Text;
using Hybrid.Host.Data;
using Hybrid.Host.Runtime;

namespace Hybrid.Host.Checkpoints;

/// <summary>What sort of result is to be written.</summary>
internal enum ReplacedKind
{
    Checkpoint,
    Drawing,
    Onnx,
    Code,
}

/// <summary>A file that lies where a result is to be written. One of the result's own kind makes way for it; what else
/// somebody keeps there does not.</summary>
internal static class ReplacedFile
{
    private static readonly string[] Drawings = ["<svg", "<?xml"];
    private static readonly string[] Codes = [Models.PyTorchCodeStart];

    /// <param name="option">What names the file to write.</param>
    /// <param name="kind">What is written.</param>
    /// <returns>Whether there is one.</returns>
    /// <exception cref="RequestException">It is of another kind, a folder, a pipe or a device.</exception>
    public static bool Check(string option, string target, ReplacedKind kind)
    {
        if (!IsThere(option, target))
            return false;
        if (!HasNothingToKeep(target))
            return kind switch
            {
                ReplacedKind.Drawing => Refuse(option, target, file => StartsWith(file, Drawings), "drawing"),
                ReplacedKind.Onnx => Refuse(option, target, IsOnnx, "ONNX file"),
                ReplacedKind.Code => Refuse(option, target, file => StartsWith(file, Codes), "code that Hybrid wrote"),
                _ => Refuse(option, target, IsCheckpoint, "checkpoint"),
            };
        // Opened for both ways a pipe is not waited for.
        return Looked(
            option,
            target,
            FileAccess.ReadWrite,
            file =>
                file.CanSeek
                    ? true
                    : throw new RequestException($"{option} {target} is a pipe or a device: name a file")
        );
    }

    /// <summary>The same for a table, which pipes and devices take as well.</summary>
    /// <returns>Whether there is a file with something in it.</returns>
    /// <exception cref="RequestException">It is a folder, or a file that holds no text.</exception>
    public static bool CheckTable(string option, string target) =>
        IsThere(option, target) && !HasNothingToKeep(target) && Refuse(option, target, IsText, "text");

    /// <summary>Pipes and devices have no length, and an empty file loses nothing.</summary>
    public static bool HasNothingToKeep(string target) =>
        File.Exists(target) && PictureTree.Target(target) is not { Exists: true, Length: > 0 };

    /// <summary>What there is to say where a file made way; else nothing.</summary>
    public static string Words(bool replaced) => replaced ? ", in the place of the file that was there" : "";

    private static bool IsThere(string option, string target) =>
        Directory.Exists(target)
            ? throw new RequestException($"{option} {target} is a folder: name a file in it")
            : File.Exists(target);

    private static bool Refuse(string option, string target, Func<Stream, bool> fits, string kind) =>
        Looked(option, target, FileAccess.Read, fits)
            ? true
            : throw new RequestException(
                $"{option} {target} is there already and is no {kind}: name another file, or remove it"
            );

    private static bool Looked(string option, string target, FileAccess access, Func<Stream, bool> look)
    {
        try
        {
            using var file = new FileStream(target, FileMode.Open, access, FileShare.ReadWrite);
            return look(file);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new RequestException($"{option} {target} is there already and cannot be looked at: {error.Message}");
        }
    }

    private static bool IsText(Stream file)
    {
        var head = new byte[4096];
        return !head.AsSpan(0, file.ReadAtLeast(head, head.Length, throwOnEndOfStream: false)).Contains((byte)0);
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

    /// <summary>The version of the format, then a text (who wrote it) or the graph.</summary>
    private static bool IsOnnx(Stream file)
    {
        var head = new byte[3];
        return file.ReadAtLeast(head, head.Length, throwOnEndOfStream: false) == head.Length
            && head is [0x08, >= 1 and < 0x80, 0x12 or 0x3a];
    }

    private static bool StartsWith(Stream file, string[] starts)
    {
        var head = new byte[64];
        var text = Encoding.UTF8.GetString(head, 0, file.ReadAtLeast(head, head.Length, throwOnEndOfStream: false));
        return starts.Any(text.TrimStart('\uFEFF', ' ', '\n', '\r', '\t').StartsWith);
    }
}
