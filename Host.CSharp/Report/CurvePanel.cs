namespace Hybrid.Host.Report;

/// <summary>How losses, accuracies and rates went from epoch to epoch.</summary>
public static class CurvePanel
{
    /// <summary>One run: training beside validation.</summary>
    public static Section Of(ReportedRun run)
    {
        Line Train(Func<EpochRow, double> value) => new("train", Chart.SeriesInk(0), Points(run, value));
        Line Validation(Func<EpochRow, double> value) => new("validation", Chart.SeriesInk(1), Points(run, value));
        Line[] losses = [Train(row => row.TrainLoss), Validation(row => row.ValLoss)];
        Html[] figures =
        [
            Figure("Loss", false, losses, run),
            Figure("Accuracy, %", true, [Train(row => row.TrainAccuracy), Validation(row => row.ValAccuracy)], run),
            Rate([new Line("rate", Chart.SeriesInk(2), run.Rates)]),
        ];
        var best = run.BestEpoch is { } epoch
            ? $"The broken line is at epoch {epoch}, whose weights the results are of."
            : "";
        return new Section("curves", "Curves", best, Html.Of($"{Together(losses, figures)}{Numbers(run)}"));
    }

    /// <summary>Several runs in each plot.</summary>
    public static Section Of(IReadOnlyList<ReportedRun> runs)
    {
        Line[] All(Func<EpochRow, double> value) =>
            [.. runs.Select((run, place) => new Line(run.Model, Chart.SeriesInk(place), Points(run, value)))];
        Html[] figures =
        [
            Figure("Validation accuracy, %", true, All(row => row.ValAccuracy)),
            Figure("Validation loss", false, All(row => row.ValLoss)),
            Figure("Training accuracy, %", true, All(row => row.TrainAccuracy)),
            Figure("Training loss", false, All(row => row.TrainLoss)),
            Rate([.. runs.Select((run, place) => new Line(run.Model, Chart.SeriesInk(place), run.Rates))]),
        ];
        return new Section("curves", "Curves", "", Together(All(row => row.TrainLoss), figures));
    }

    /// <summary>The plots under one key to their lines.</summary>
    private static Html Together(IEnumerable<Line> lines, Html[] figures)
    {
        var keys = lines.Where(line => line.Points.Count > 0).Select(Key);
        return Html.Of($"""<p class="keys">{keys}</p><div class="charts">{figures}</div>""");
    }

    private sealed record Line(string Name, string Ink, IReadOnlyList<(double X, double Y)> Points);

    private static List<(double, double)> Points(ReportedRun run, Func<EpochRow, double> value) =>
        [.. run.History.Epochs.Select(row => ((double)row.Epoch, value(row))).Where(it => double.IsFinite(it.Item2))];

    private static Html Figure(string title, bool shares, IReadOnlyList<Line> lines, ReportedRun? run = null)
    {
        var chart = Epochs();
        if (shares)
            (chart.Vertical.LabelFormatter, chart.Vertical.AbsoluteMaximum) = (share => $"{share * 100:0.##}", 1.0001);
        else
            chart.Vertical.Minimum = 0;
        if (run is { BestEpoch: { } best })
            chart.Mark(best);
        return Draw(title, chart, lines, shares ? Figures.Share : it => Figures.Loss(it));
    }

    private static Html Rate(IReadOnlyList<Line> lines)
    {
        var chart = Epochs();
        chart.Vertical.Minimum = 0;
        return Draw("Learning rate", chart, lines, it => Figures.Number(it ?? 0), true);
    }

    private static Chart Epochs()
    {
        var chart = new Chart("epoch");
        (chart.Horizontal.MinimumMajorStep, chart.Horizontal.MinimumPadding) = (1, 0.02);
        (chart.Horizontal.MaximumPadding, chart.Vertical.MaximumPadding) = (0.02, 0.06);
        return chart;
    }

    private static Html Draw(
        string title,
        Chart chart,
        IReadOnlyList<Line> lines,
        Func<double?, string> number,
        bool stairs = false
    )
    {
        var drawn = lines.Where(line => line.Points.Count > 0).ToList();
        if (drawn.Count == 0)
            return Html.Empty;
        foreach (var line in drawn)
            chart.Line(line.Points, line.Ink, stairs);
        var told = drawn.Select(line => $"{line.Name} from {number(line.Points[0].Y)} to {number(line.Points[^1].Y)}");
        return Html.Of(
            $"""
            <figure><figcaption><b>{title}</b></figcaption>
            {chart.Draw($"{title} by epoch: {string.Join(", ", told)}")}</figure>

            """
        );
    }

    private static Html Key(Line line) =>
        Html.Of($"""<span class="key" style="--key:var(--{line.Ink})">{line.Name}</span> """);

    private static Html Numbers(ReportedRun run)
    {
        var rows = run.History.Epochs.Select(row =>
            Html.Of(
                $"""
                <tr><th scope="row">{row.Epoch}</th><td>{Figures.Loss(row.TrainLoss)}</td><td>{Figures.Share(
                    row.TrainAccuracy
                )}</td><td>{Figures.Loss(row.ValLoss)}</td><td>{Figures.Share(
                    row.ValAccuracy
                )}</td><td>{Figures.Seconds(row.Seconds)}</td></tr>

                """
            )
        );
        return Html.Of(
            $"""
            <details><summary>Every epoch in numbers</summary>
            <div class="scroll"><table class="numbers">
            <thead><tr><th scope="col">Epoch</th><th scope="col">Train loss</th><th scope="col">Train accuracy</th><th scope="col">Val loss</th><th scope="col">Val accuracy</th><th scope="col">Time</th></tr></thead>
            <tbody>
            {rows}</tbody></table></div></details>
            """
        );
    }
}
