namespace Hybrid.Host.Report;

/// <summary>The report of several models under one protocol, on the same data.</summary>
public static class ComparisonReport
{
    /// <exception cref="Runtime.WorkException">It cannot be written.</exception>
    public static void Write(string path, IReadOnlyList<ReportedRun> runs)
    {
        var folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        List<Section> sections = [Results(runs, folder)];
        if (runs.Any(run => run.History.Epochs.Count > 0))
            sections.Add(CurvePanel.Of(runs));
        if (runs[0].Shown is { } shown)
            sections.Add(ClassPanel.Of(runs, shown.Name));
        sections.AddRange(runs.Select(Model));
        var title = $"{string.Join(", ", runs.Select(run => run.Model))} on {runs[0].DataName}";
        Page.Write(path, title, Html.Empty, sections);
    }

    private static Section Results(IReadOnlyList<ReportedRun> runs, string folder)
    {
        string[] splits = [.. runs.SelectMany(run => run.Results).Select(result => result.Name).Distinct()];
        var heads = splits.Select(name =>
            Html.Of($"""<th scope="col">{name} accuracy</th><th scope="col">{name} loss</th>""")
        );
        return new Section(
            "results",
            "Results",
            "",
            Html.Of(
                $"""
                <div class="scroll"><table class="numbers">
                <thead><tr><th scope="col">Model</th>{heads}<th scope="col">Calibration error</th><th scope="col">Parameters</th><th scope="col">Multiply-adds</th><th scope="col">Best epoch</th><th scope="col">Images/s</th><th scope="col">Time</th></tr></thead>
                <tbody>
                {runs.Select(run => Row(run, splits, folder))}</tbody></table></div>
                """
            )
        );
    }

    private static Html Row(ReportedRun run, string[] splits, string folder)
    {
        var summary = Models.Summarise(run.Plan);
        var cells = splits.Select(name =>
        {
            var metrics = run.Results.FirstOrDefault(result => result.Name == name)?.Diagnosis.Metrics;
            return Html.Of($"<td>{Figures.Share(metrics?.Accuracy)}</td><td>{Figures.Loss(metrics?.Loss)}</td>");
        });
        var epoch = run.BestEpoch is { } best ? $"{best} of {run.History.Epochs.Count}" : Figures.None;
        var rate = run.Timing is { } timing ? $"{timing.ImagesPerSecond:N0}" : Figures.None;
        var time = run.Timing is { } measured ? Figures.Seconds(measured.Seconds) : Figures.None;
        return Html.Of(
            $"""
            <tr><th scope="row">{Linked(run, folder)}</th>{cells}<td>{Figures.Share(
                run.Shown?.Diagnosis.CalibrationError
            )}</td><td>{Figures.Count(summary.Params)}</td><td>{Figures.Millions(
                summary.Macs
            )}</td><td>{epoch}</td><td>{rate}</td><td>{time}</td></tr>

            """
        );
    }

    /// <summary>With a link to the run's own report, from the folder of this one.</summary>
    private static Html Linked(ReportedRun run, string folder)
    {
        if (run.Report is not { } report)
            return Html.Of($"{run.Model}");
        var segments = Path.GetRelativePath(folder, report).Split(Path.DirectorySeparatorChar);
        return Html.Of($"""<a href="{string.Join('/', segments.Select(Uri.EscapeDataString))}">{run.Model}</a>""");
    }

    private static Section Model(ReportedRun run)
    {
        var looks = Html.Empty;
        if (run.Shown is { } shown)
            looks = Html.Of(
                $"""
                {Folded($"Confusion matrix of {shown.Name}", ConfusionPanel.Body(shown.Diagnosis, run.Classes))}
                {Folded("Most confident mistakes", MistakePanel.Body(shown, run.Classes))}
                {Folded("Reliability of the confidences", ReliabilityPanel.Body(shown.Diagnosis))}
                """
            );
        return new Section(run.Model, run.Model, "", Html.Of($"{looks}{Folded("Network", NetworkPanel.Body(run))}"));
    }

    private static Html Folded(string title, Html body) =>
        Html.Of(
            $"""
            <details><summary>{title}</summary>
            {body}</details>

            """
        );
}
