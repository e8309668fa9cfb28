namespace Hybrid.Host.Report;

/// <summary>Cells whose colour tells a share, by the classes of the style sheet.</summary>
public static class Shade
{
    public const char Right = 'r';
    public const char Wrong = 'w';

    /// <summary>The darker the larger; a share that is no number has no colour.</summary>
    public static string Of(char hue, double share) =>
        double.IsFinite(share) ? $"{hue}{Math.Clamp((int)Math.Ceiling(share * 10), 1, 10)}" : "";
}
