using System.Text;

namespace Hybrid.Host.Runtime;

/// <summary>Words that came from the system as bytes. Bytes that are no UTF-8 are lost on the way into .NET's text: a path
/// with them would silently become another path.</summary>
public static class GivenText
{
    private const char Lost = '\uFFFD';
    private const string OwnCommandLine = "/proc/self/cmdline";
    private static readonly UTF8Encoding Strict = new(false, throwOnInvalidBytes: true);

    /// <exception cref="RequestException">A word, or the working folder's path, is no UTF-8.</exception>
    public static void Check(IReadOnlyList<string> arguments, string workingFolder)
    {
        if (workingFolder.Contains(Lost))
            throw new RequestException(
                "the working folder's path is no UTF-8 text: its files would not be found; start from another folder"
            );
        if (arguments.FirstOrDefault(word => word.Contains(Lost)) is { } lost && !IsText())
            throw new RequestException(
                $"'{lost}' on the command line is no UTF-8 text: as a path it would name another file; rename it"
            );
    }

    /// <summary>Whether the replacement character was typed as such.</summary>
    private static bool IsText()
    {
        try
        {
            _ = Strict.GetCharCount(File.ReadAllBytes(OwnCommandLine));
            return true;
        }
        catch (DecoderFallbackException)
        {
            return false;
        }
        catch (IOException)
        {
            // Not Linux: nobody tells.
            return true;
        }
    }
}
