namespace Hybrid;

/// <summary>A class that a picture may be of.</summary>
/// <param name="Name">The class's name, or its number where nobody has named it.</param>
/// <param name="Index">Its place among <see cref="IImageClassifier.Classes"/>.</param>
/// <param name="Probability">0 to 1; those of all classes add up to 1.</param>
public readonly record struct ClassProbability(string Name, int Index, double Probability)
{
    /// <summary>As a person reads it.</summary>
    public override string ToString() => FormattableString.Invariant($"{Name} {Probability * 100:F1}%");
}

/// <summary>One picture file of many.</summary>
/// <param name="File">Its path as it was given.</param>
/// <param name="Classes">The most probable first; empty where the file could not be read.</param>
/// <param name="Problem">Why the file could not be read; null where it could.</param>
public sealed record ClassifiedPicture(string File, IReadOnlyList<ClassProbability> Classes, string? Problem);

/// <summary>A picture that cannot be read: damaged, too large, or of a format that is not among JPEG, PNG, WebP, BMP and
/// GIF. The message says which of these.</summary>
public sealed class PictureException(string message) : Exception(message);
