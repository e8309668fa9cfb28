using Hybrid.Command;
using Hybrid.Host.Checkpoints;
using Hybrid.Host.Runtime;

namespace Hybrid.Host.Data;

/// <summary>What tells a set of images from the same set after it was changed, wherever it lies.</summary>
/// <param name="Classes">In the order of the labels.</param>
/// <param name="Files">SHA-256 of the list of files: part, path inside it, class and size of each. Empty where the set
/// does not come as files of one's own.</param>
/// <param name="Images">SHA-256 of pixels and labels, as they are trained and tested on.</param>
/// <param name="Division">Who is in which part; null in files of earlier versions.</param>
public sealed record DataFacts(
    int Train,
    int Val,
    int Test,
    IReadOnlyList<string> Classes,
    string Files,
    string Images,
    Division? Division = null
)
{
    internal static DataFacts Of(LoadedData data) =>
        new(
            data.Train.Count,
            data.Val.Count,
            data.Test.Count,
            data.Train.Classes,
            data.FileList,
            ImageDigest.Of(data.Train, data.Val, data.Test),
            data.Division
        );

    /// <exception cref="BrokenFileException">It is not what was written.</exception>
    internal static DataFacts Read(StoredFields stored) =>
        new(
            (int)stored.Whole(nameof(Train), 0, int.MaxValue),
            (int)stored.Whole(nameof(Val), 0, int.MaxValue),
            (int)stored.Whole(nameof(Test), 0, int.MaxValue),
            stored.Texts(nameof(Classes)),
            stored.Text(nameof(Files)),
            stored.Text(nameof(Images)),
            stored.Fields[nameof(Division)] is null ? null : Division.Read(stored.Inner(nameof(Division)))
        );

    /// <summary>Whether a metric, such as <c>val_acc</c>, is of the same images now.</summary>
    public bool MeasuresAlike(MonitorRequest monitor, DataFacts now) =>
        Division is { } then
        && now.Division is { } today
        && (
            monitor.NeedsValidation
                ? (then.Val, Val) == (today.Val, now.Val)
                : (then.Train, Train) == (today.Train, now.Train)
        );

    /// <summary>What is otherwise now, for people; nothing where all is as it was.</summary>
    public IReadOnlyList<string> Changes(DataFacts now)
    {
        var found = new List<string>();
        if (now.Classes.Except(Classes).ToList() is { Count: > 0 } added)
            found.Add($"the class {FolderLayout.Few(added)} is new");
        if (Classes.Except(now.Classes).ToList() is { Count: > 0 } gone)
            found.Add($"the class {FolderLayout.Few(gone)} is gone");
        void Count(string what, int before, int after)
        {
            if (before != after)
                found.Add(
                    $"{Counted.Of(after, "image")} to {what} on where there {(before == 1 ? "was" : "were")} {before:N0}"
                );
        }
        Count("train", Train, now.Train);
        Count("validate", Val, now.Val);
        Count("test", Test, now.Test);
        if (found.Count == 0 && !now.Classes.SequenceEqual(Classes))
            found.Add("the classes are in another order");
        if (found.Count == 0 && now.Files != Files)
            found.Add("as many images, but of other files: names, sizes or classes differ");
        if (found.Count == 0 && now.Images != Images)
            found.Add("the same files, but other pictures in them");
        return found;
    }
}
