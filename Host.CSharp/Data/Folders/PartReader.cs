using Hybrid.Host.Runtime;

namespace Hybrid.Host.Data;

/// <summary>
/// Reads the parts of a set of pictures. Of a set to train on all parts are read with the first, so that what is wrong
/// with its pictures is counted and said once.
/// </summary>
/// <param name="classes">Names of the classes, in the order of the labels.</param>
/// <param name="whole">Each class needs a picture in the first part.</param>
internal sealed class PartReader(
    IReadOnlyList<string> classes,
    int height,
    int width,
    bool refuseBroken,
    bool whole,
    ImageCache cache,
    Output output
)
{
    private readonly Dictionary<LabelledFiles, Dataset> _ahead = new(ReferenceEqualityComparer.Instance);
    private bool _said;

    /// <param name="wanted">The part that is asked for.</param>
    /// <param name="parts">Those of the set, in the order train, val, test.</param>
    /// <exception cref="WorkException">None of the files can be read, or of a class none, or one may not be broken.
    /// </exception>
    public Dataset Read(LabelledFiles wanted, IReadOnlyList<LabelledFiles> parts)
    {
        if (_ahead.Remove(wanted, out var read))
            return read;
        // A part that is asked for again was read, and spoken of, before.
        LabelledFiles[] next = whole && !_said ? [.. parts] : [wanted];
        var pictures = next.Select(part => (Part: part, Read: cache.Get(part, height, width, output))).ToList();
        if (!_said)
            PictureReading.Warn(
                output,
                [.. pictures.SelectMany(it => it.Read.Remarks.Select(remark => (it.Part.Paths[remark.File], remark)))],
                next.Sum(part => part.Paths.Count)
            );
        _said = whole;
        if (refuseBroken)
            foreach (var (part, found) in pictures)
                if (found.Remarks.Count(remark => remark.LeftOut) is > 0 and var broken)
                    throw new WorkException(
                        $"{broken:N0} of the {Counted.Of(part.Paths.Count, "picture")} in '{part.Folder}' cannot be read"
                    );
        foreach (var (part, found) in pictures)
            _ahead[part] = ToSet(part, found, part == parts[0]);
        _ahead.Remove(wanted, out read);
        return read!;
    }

    private Dataset ToSet(LabelledFiles part, StoredPictures pictures, bool first)
    {
        if (pictures.Kept.Length == 0)
            throw new WorkException(
                part.Paths.Count == 1
                    ? $"the one picture in '{part.Folder}' cannot be read"
                    : $"none of the {part.Paths.Count:N0} pictures in '{part.Folder}' can be read"
            );
        long[] labels = [.. pictures.Kept.Select(place => part.Labels[place])];
        var seen = labels.ToHashSet();
        if (whole && first && classes.Where((_, label) => !seen.Contains(label)).FirstOrDefault() is { } name)
            throw new WorkException($"none of the pictures in '{Path.Combine(part.Folder, name)}' can be read");
        return Datasets.OfPixels(pictures.Pixels, labels, [.. classes]);
    }
}
