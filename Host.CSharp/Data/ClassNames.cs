using Hybrid.Host.Checkpoints;

namespace Hybrid.Host.Data;

/// <summary>What names of classes may be: predictions are read by them.</summary>
internal static class ClassNames
{
    private const int Longest = 1000;

    /// <summary>What is wrong with some; null for nothing.</summary>
    public static string? Fault(IReadOnlyList<string?> names)
    {
        if (names.Any(name => string.IsNullOrEmpty(name) || name.Length > Longest || name.Contains('\0')))
            return $"a class has no name, or one with NUL or of more than {Longest} characters";
        return names.CountBy(name => name!).FirstOrDefault(pair => pair.Value > 1).Key is { } twice
            ? $"two classes are called {Quoted.Of(twice)}"
            : null;
    }
}
