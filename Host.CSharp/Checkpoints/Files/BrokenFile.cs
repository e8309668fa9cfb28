namespace Hybrid.Host.Checkpoints;

/// <summary>
/// What a reader found wrong inside a file. The readers know no path; whoever opened the file adds it and turns
/// this into a <see cref="Runtime.WorkException"/>.
/// </summary>
internal sealed class BrokenFileException(string reason) : Exception(reason);

internal static class Quoted
{
    /// <summary>A name from an untrusted file, in quotes and fit for one line of a message.</summary>
    public static string Of(string name) => $"'{Plain(name, 80)}'";

    /// <summary>Text that may hold parts of an untrusted file: cut short, without control characters.</summary>
    public static string Plain(string text, int longest = 200)
    {
        var cut = text.Length <= longest ? text : text[..longest] + "…";
        return string.Concat(cut.Select(c => char.IsControl(c) || char.IsSurrogate(c) ? '?' : c));
    }
}
