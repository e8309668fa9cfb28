namespace Hybrid.Host.Runtime;

/// <summary>The streams that the process was started with. Where one of them was closed, the first file that is opened gets
/// its number, and what is meant for people would be written into that file.</summary>
internal static class GivenStreams
{
    public const int Out = 1,
        Error = 2;

    /// <summary>Of open(2), on all of Linux's processors but Alpha, PA-RISC and SPARC, which .NET does not know.</summary>
    private const long AccessMode = 3,
        CloseOnExec = 0x80000;

    /// <exception cref="RequestException">What is said on stdout would be lost.</exception>
    public static void Check()
    {
        if (!TakesText(Out))
            throw new RequestException(
                "stdout is closed or only to be read from: direct it to a file, or to /dev/null"
            );
    }

    /// <summary>Whether a stream was handed to this process to be written to. Of files that it has opened itself the system
    /// knows that no other program gets them.</summary>
    public static bool TakesText(int stream)
    {
        if (!OperatingSystem.IsLinux())
            return true;
        try
        {
            var line = File.ReadLines($"/proc/self/fdinfo/{stream}")
                .FirstOrDefault(it => it.StartsWith("flags:", StringComparison.Ordinal));
            return line is null
                || !TryOctal(line["flags:".Length..].Trim(), out var flags)
                || (flags & AccessMode) != 0 && (flags & CloseOnExec) == 0;
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException)
        {
            // Without /proc nobody tells.
            return !Directory.Exists("/proc/self/fdinfo");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return true;
        }
    }

    private static bool TryOctal(string digits, out long number)
    {
        number = 0;
        foreach (var digit in digits)
            number = number * 8 + (digit - '0');
        return digits.Length > 0 && digits.All(it => it is >= '0' and <= '7');
    }
}
