using Hybrid.Host.Runtime;

namespace Hybrid.Host.Report;

/// <summary><c>report.html</c> of one run.</summary>
public static class RunReport
{
    /// <exception cref="Runtime.WorkException">It cannot be written.</exception>
    public static void Write(string path, ReportedRun run) =>
        Page.Write(path, $"{run.Model} on {run.DataName}", Lead(run), Sections(run));

    private static Html Lead(ReportedRun run)
    {
        var summary = Models.Summarise(run.Plan);
        var tiles = new List<(string, string, string)>();
        foreach (var result in run.Results.Reverse())
            tiles.Add(
                (
                    $"{result.Name} accuracy",
                    Figures.Share(result.Diagnosis.Metrics.Accuracy),
                    $"{Figures.Count(result.Diagnosis.Metrics.Correct)} of {Figures.Count(result.Diagnosis.Metrics.Count)}"
                )
            );
        if (run.Shown is null)
            tiles.Add(("train accuracy", Figures.Share(run.History.Epochs[^1].TrainAccuracy), "last epoch"));
        tiles.Add(("Parameters", Figures.Count(summary.Params), Counted.Of(run.Classes.Count, "class", "classes")));
        tiles.Add(("Multiply-adds", Figures.Millions(summary.Macs), $"an image of {summary.Input}"));
        return Page.Tiles(tiles);
    }

    private static List<Section> Sections(ReportedRun run)
    {
        List<Section> sections = [ResultPanel.Of(run), CurvePanel.Of(run)];
        if (run.Shown is { } shown)
            sections.AddRange([
                ConfusionPanel.Of(shown, run.Classes),
                ClassPanel.Of(shown, run.Classes),
                MistakePanel.Of(shown, run.Classes),
                ReliabilityPanel.Of(shown),
            ]);
        sections.AddRange([NetworkPanel.Of(run), RecipePanel.Of(run)]);
        return sections;
    }
}
