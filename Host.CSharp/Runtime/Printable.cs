using System.Globalization;
using System.Text;

namespace Hybrid.Host.Runtime;

/// <summary>
/// Text as a terminal may be given it. Names of files, classes and keys come from files that anybody may have made: what
/// moves a cursor, changes a title, turns the direction of writing or begins a line of its own is shown as its code.
/// </summary>
public static class Printable
{
    // Far above every sentence of the program's own; a key of a file may have megabytes.
    private const int Longest = 4_000;

    /// <summary>One line of at most some thousand characters.</summary>
    public static string Line(string text) => Clean(text, keepLines: false);

    /// <summary>The same, of several lines if the text has them.</summary>
    public static string Message(string text) => Clean(text, keepLines: true);

    /// <summary>JSON that says the same, with what a terminal may not be given written as its codes.</summary>
    public static string Json(string json)
    {
        if (json.All(it => Harmless(it, keepLines: false)))
            return json;
        var shown = new StringBuilder();
        foreach (var rune in json.EnumerateRunes())
            if (IsHarmless(rune, keepLines: false))
                shown.Append(rune);
            else
                foreach (var unit in rune.ToString())
                    shown.Append(CultureInfo.InvariantCulture, $"\\u{(int)unit:X4}");
        return shown.ToString();
    }

    private static string Clean(string text, bool keepLines)
    {
        if (text.Length <= Longest && text.All(it => Harmless(it, keepLines)))
            return text;
        var shown = new StringBuilder();
        foreach (var rune in text.AsSpan(0, Math.Min(text.Length, Longest)).EnumerateRunes())
        {
            if (IsHarmless(rune, keepLines))
                shown.Append(rune);
            else
                shown.Append(CultureInfo.InvariantCulture, $"\\u{{{rune.Value:X}}}");
        }

        if (text.Length > Longest)
            shown.Append(CultureInfo.InvariantCulture, $"… ({text.Length - Longest:N0} characters more)");
        return shown.ToString();
    }

    private static bool Harmless(char it, bool keepLines) =>
        !char.IsSurrogate(it) && IsHarmless(new Rune(it), keepLines);

    private static bool IsHarmless(Rune it, bool keepLines) =>
        (keepLines && it.Value == '\n')
        // Joiners are part of words in Persian and in Indian scripts, and of emoji.
        || it.Value is 0x200C or 0x200D
        || Rune.GetUnicodeCategory(it)
            is not (
                UnicodeCategory.Control
                or UnicodeCategory.Format
                or UnicodeCategory.LineSeparator
                or UnicodeCategory.ParagraphSeparator
                or UnicodeCategory.Surrogate
            )
            && it != Rune.ReplacementChar;
}
