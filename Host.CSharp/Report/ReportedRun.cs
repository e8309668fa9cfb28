using System.Text.Json.Nodes;

namespace Hybrid.Host.Report;

/// <summary>All that a report tells of one network, in plain values.</summary>
/// <param name="Model">The model's name.</param>
/// <param name="Data">The data's name as on the command line.</param>
/// <param name="Recipe">What rebuilds the network and repeats its training.</param>
/// <param name="Plan">The network.</param>
/// <param name="Classes">Names in the order of the outputs.</param>
/// <param name="Results">How it does on images that it was not trained on; the last split is looked at closely.
/// </param>
public sealed record ReportedRun(
    string Model,
    string Data,
    JsonObject Recipe,
    Plan Plan,
    IReadOnlyList<string> Classes,
    IReadOnlyList<SplitResult> Results
)
{
    /// <summary>The epochs of its training; none for a network that came from a file.</summary>
    public RunHistory History { get; init; } = RunHistory.Empty;

    /// <summary>Learning rates, each at its place in epochs.</summary>
    public IReadOnlyList<(double Epoch, double Rate)> Rates { get; init; } = [];

    /// <summary>The epoch that the results are of, counted from 1.</summary>
    public int? BestEpoch { get; init; }

    /// <summary>What it ran on, and how fast; null for a network that came from a file.</summary>
    public RunTiming? Timing { get; init; }

    /// <summary>Path of its own report; null where it has none.</summary>
    public string? Report { get; init; }

    /// <summary>The split that is looked at closely.</summary>
    public SplitResult? Shown => Results.Count > 0 ? Results[^1] : null;

    /// <summary>The data's name without its folders.</summary>
    public string DataName =>
        Data.Split(':', 2) switch
        {
            ["folder", var folder] => Path.GetFileName(Path.TrimEndingDirectorySeparator(folder)),
            [var kind, ..] => kind,
            _ => Data,
        };
}

/// <summary>How long a run took on which machine.</summary>
/// <param name="Placement">Device and precision.</param>
/// <param name="Seconds">From the start of the process to the test, of the last start.</param>
/// <param name="ImagesPerSecond">In training, evaluation not counted.</param>
public sealed record RunTiming(Placement Placement, double Seconds, double ImagesPerSecond);

/// <summary>How a network does on one split.</summary>
/// <param name="Pictures">Each of the mistakes as a data URI.</param>
public sealed record SplitResult(string Name, Diagnosis Diagnosis, IReadOnlyList<string> Pictures)
{
    /// <summary>With the pictures of the mistakes from the very images.</summary>
    public static SplitResult Of(string name, Dataset images, Diagnosis diagnosis)
    {
        if (diagnosis.Mistakes.Length == 0 || images.Shape is not Shape.Image { channels: 3 } shape)
            return new SplitResult(name, diagnosis, []);
        var bytes = Datasets.Bytes(images, [.. diagnosis.Mistakes.Select(mistake => mistake.Image)]);
        var (height, width) = (shape.height, shape.width);
        var one = height * width * 3;
        return new SplitResult(
            name,
            diagnosis,
            [
                .. Enumerable
                    .Range(0, diagnosis.Mistakes.Length)
                    .Select(place => Thumbnail.DataUri(bytes.AsSpan(place * one, one), height, width)),
            ]
        );
    }
}
