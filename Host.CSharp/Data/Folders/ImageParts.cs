namespace Hybrid.Host.Data;

/// <summary>The parts that a set of images comes in, each read when it is asked for.</summary>
/// <param name="Train">What is learnt from; validation images are taken from it where <paramref name="Val"/> is
/// null.</param>
/// <param name="Val">The set's own validation images; null where it has none.</param>
/// <param name="Test">Null where the set has none.</param>
public sealed record ImageParts(Func<Dataset> Train, Func<Dataset>? Val, Func<Dataset>? Test)
{
    /// <summary>The set comes in no parts; <see cref="Train"/> is all of it.</summary>
    public bool Undivided { get; init; }

    /// <summary>A digest of the files' list; empty where there is none of one's own.</summary>
    public string FileList { get; init; } = "";
}
