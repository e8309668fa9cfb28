using Hybrid.Command;
using Hybrid.Host.Checkpoints;

namespace Hybrid.Host.Data;

/// <summary>Which images a network was trained on and which were held back, before either part was cut short: where they are
/// others, a result on the one part may be of images of the other.</summary>
/// <param name="Train">SHA-256 of the part's pixels and labels.</param>
/// <param name="Val">The same of the images to validate on.</param>
/// <param name="Held">How many were taken from the training images for that; null where the set has its own.</param>
/// <param name="Seed">What they were drawn with.</param>
public sealed record Division(string Train, string Val, int? Held, long Seed)
{
    internal static Division Of(Dataset train, Dataset val, bool drawn, DataRequest request) =>
        new(ImageDigest.Of(train), ImageDigest.Of(val), drawn ? val.Count : null, request.SplitSeed);

    /// <exception cref="BrokenFileException">It is not what was written.</exception>
    internal static Division Read(StoredFields stored) =>
        new(
            stored.Text(nameof(Train)),
            stored.Text(nameof(Val)),
            stored.Fields[nameof(Held)] is null ? null : (int)stored.Whole(nameof(Held), 0, int.MaxValue),
            stored.Whole(nameof(Seed), long.MinValue, long.MaxValue)
        );

    /// <summary>The digest of <c>train</c>, or else of <c>val</c>.</summary>
    public string Of(Hybrid.Command.Split split) => split.IsTrain ? Train : Val;
}
