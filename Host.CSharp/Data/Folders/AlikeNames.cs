using System.Globalization;
using System.Text;

namespace Hybrid.Host.Data;

/// <summary>
/// Names that look the same and are not: of another case, or with accents as marks of their own (as macOS writes them)
/// in one and as part of the letter in the other. Without tables of Unicode it is not known which accent a letter has: any
/// counts as the same.
/// </summary>
internal static class AlikeNames
{
    private const char Accented = '\uFFFF';

    public static bool AreAlike(string a, string b) =>
        a != b
        && (a.Equals(b, StringComparison.OrdinalIgnoreCase) || (HasMarks(a) != HasMarks(b) && Plain(a) == Plain(b)));

    /// <summary>The same for names that may be alike.</summary>
    public static string Plain(string name)
    {
        var plain = new StringBuilder();
        foreach (var it in name)
            if (!IsMark(it))
                plain.Append(char.IsLetter(it) && it > '\u007F' ? Accented : char.ToUpperInvariant(it));
            else if (plain.Length > 0)
                plain[^1] = Accented;
        return plain.ToString();
    }

    private static bool HasMarks(string name) => name.Any(IsMark);

    private static bool IsMark(char it) => CharUnicodeInfo.GetUnicodeCategory(it) == UnicodeCategory.NonSpacingMark;
}
