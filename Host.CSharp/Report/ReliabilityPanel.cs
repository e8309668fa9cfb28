namespace Hybrid.Host.Report;

/// <summary>Whether the network knows how sure it may be.</summary>
public static class ReliabilityPanel
{
    public static Section Of(SplitResult result) =>
        new(
            "confidence",
            "Reliability of the confidences",
            "A well-calibrated network is right as often as it says: its bars end on the broken line. The calibration error is the mean distance from it over fifteen bins, weighed by their images (Guo et al., 2017).",
            Body(result.Diagnosis)
        );

    public static Html Body(Diagnosis diagnosis)
    {
        var (sure, right) = (diagnosis.MeanConfidence, diagnosis.Metrics.Accuracy);
        var tiles = Page.Tiles([
            ("Calibration error", Figures.Share(diagnosis.CalibrationError), ""),
            ("Mean confidence", Figures.Share(sure), sure > right ? "overconfident" : "underconfident"),
            ("Accuracy", Figures.Share(right), ""),
        ]);
        return Html.Of(
            $"""{tiles}<div class="charts">{Diagram(diagnosis)}{Counts(diagnosis)}</div>{Numbers(diagnosis)}"""
        );
    }

    private static Html Diagram(Diagnosis diagnosis)
    {
        var chart = Confidences();
        Chart.Percents(chart.Vertical);
        chart.Bars(diagnosis.Bins.Where(bin => bin.Count > 0).Select(bin => Bar(bin, bin.Accuracy)), "s1").Diagonal();
        var told = $"Accuracy by confidence; the calibration error is {Figures.Share(diagnosis.CalibrationError)}";
        return Html.Of(
            $"""
            <figure><figcaption><b>Accuracy by confidence, %</b></figcaption>
            {chart.Draw(told)}</figure>

            """
        );
    }

    private static Html Counts(Diagnosis diagnosis)
    {
        var chart = Confidences();
        chart.Vertical.Minimum = 0;
        chart.Bars(diagnosis.Bins.Select(bin => Bar(bin, bin.Count)), "s3");
        var surest = diagnosis.Bins[^1];
        var told =
            $"Images by confidence: {surest.Count} of {diagnosis.Metrics.Count} above {Figures.Percent(surest.Lower)}";
        return Html.Of(
            $"""
            <figure><figcaption><b>Images by confidence</b></figcaption>
            {chart.Draw(told)}</figure>

            """
        );
    }

    private static Chart Confidences()
    {
        var chart = new Chart("confidence, %");
        Chart.Percents(chart.Horizontal);
        return chart;
    }

    /// <summary>A little narrower than its bin.</summary>
    private static (double, double, double) Bar(ConfidenceBin bin, double height)
    {
        var gap = (bin.Upper - bin.Lower) * 0.06;
        return (bin.Lower + gap, bin.Upper - gap, height);
    }

    private static Html Numbers(Diagnosis diagnosis)
    {
        var rows = diagnosis
            .Bins.Where(bin => bin.Count > 0)
            .Select(bin =>
                Html.Of(
                    $"""
                    <tr><th scope="row">{bin.Lower * 100:F1}–{bin.Upper * 100:F1}%</th><td>{Figures.Count(
                        bin.Count
                    )}</td><td>{Figures.Share(bin.Confidence)}</td><td>{Figures.Share(bin.Accuracy)}</td></tr>

                    """
                )
            );
        return Html.Of(
            $"""
            <details><summary>Every bin in numbers</summary>
            <div class="scroll"><table class="numbers">
            <thead><tr><th scope="col">Confidence</th><th scope="col">Images</th><th scope="col">Mean confidence</th><th scope="col">Accuracy</th></tr></thead>
            <tbody>
            {rows}</tbody></table></div></details>
            """
        );
    }
}
