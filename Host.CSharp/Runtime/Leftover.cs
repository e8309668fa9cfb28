namespace Hybrid.Host.Runtime;

/// <summary>Files that are of no more use. That one stays behind, or is gone with its folder, is no reason to end otherwise
/// than the work did.</summary>
public static class Leftover
{
    public static void Delete(string path) => Try(() => File.Delete(path));

    /// <summary>Tidies up as far as that can be done.</summary>
    public static void Try(Action tidy)
    {
        try
        {
            tidy();
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // What the work came to is worth more.
        }
    }
}
