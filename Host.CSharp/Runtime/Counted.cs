namespace Hybrid.Host.Runtime;

/// <summary>A number of things, as a sentence has it.</summary>
public static class Counted
{
    /// <param name="one">The thing's name, of which there is one.</param>
    /// <param name="many">Its name where there are more or none; with an s behind it where null.</param>
    /// <example><c>Counted.Of(1, "class", "classes")</c> is <c>1 class</c>.</example>
    public static string Of(long count, string one, string? many = null) =>
        $"{count:N0} {(count == 1 ? one : many ?? $"{one}s")}";
}
