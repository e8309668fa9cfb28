using System.Runtime.InteropServices;
using Hybrid.Host.Runtime;

namespace Hybrid.Host.Report;

/// <summary>What a run came to, and how long it took.</summary>
public static class ResultPanel
{
    public static Section Of(ReportedRun run)
    {
        var rows = run
            .Results.Select(result => (result.Name, result.Diagnosis.Metrics))
            .Select(it =>
                Html.Of(
                    $"""
                    <tr><th scope="row">{it.Name}</th><td>{Figures.Share(it.Metrics.Accuracy)}</td><td>{Figures.Loss(
                        it.Metrics.Loss
                    )}</td><td>{Figures.Count(it.Metrics.Correct)}</td><td>{Figures.Count(it.Metrics.Count)}</td></tr>

                    """
                )
            );
        return new Section(
            "results",
            "Results",
            "",
            Html.Of(
                $"""
                <div class="beside">
                <div class="scroll"><table class="numbers">
                <thead><tr><th scope="col">Split</th><th scope="col">Accuracy</th><th scope="col">Loss</th><th scope="col">Right</th><th scope="col">Images</th></tr></thead>
                <tbody>
                {Trained(run)}{rows}</tbody></table></div>
                {Timing(run)}
                </div>
                """
            )
        );
    }

    /// <summary>Of training, the epoch that was kept, or the last one.</summary>
    private static Html Trained(ReportedRun run)
    {
        var epoch = run.History.Epochs.FirstOrDefault(row => row.Epoch == run.BestEpoch) ?? run.History.Epochs[^1];
        return Html.Of(
            $"""
            <tr><th scope="row">train, epoch {epoch.Epoch}</th><td>{Figures.Share(
                epoch.TrainAccuracy
            )}</td><td>{Figures.Loss(epoch.TrainLoss)}</td><td>{Figures.None}</td><td>{Figures.None}</td></tr>

            """
        );
    }

    private static Html Timing(ReportedRun run)
    {
        if (run.Timing is not { } timing)
            return Html.Empty;
        double[] seconds = [.. run.History.Epochs.Select(row => row.Seconds).Where(double.IsFinite).Order()];
        var epochs =
            seconds.Length == 0
                ? Figures.None
                : $"{Figures.Seconds(Median(seconds))} ({seconds[0]:F1} to {seconds[^1]:F1} s)";
        return Html.Of(
            $"""
            <dl class="facts">
            <div><dt>Epochs</dt><dd>{run.History.Epochs.Count}</dd></div>
            <div><dt>Time an epoch, median</dt><dd>{epochs}</dd></div>
            <div><dt>Images a second in training</dt><dd>{timing.ImagesPerSecond:N0}</dd></div>
            <div><dt>All in all</dt><dd>{Figures.Seconds(timing.Seconds)}</dd></div>
            <div><dt>Machine</dt><dd>{Machine(timing.Placement)}</dd></div>
            </dl>
            """
        );
    }

    private static double Median(double[] sorted) => (sorted[sorted.Length / 2] + sorted[(sorted.Length - 1) / 2]) / 2;

    private static string Machine(Placement placement) =>
        $"{placement.Device}, {placement.DType.ToString().ToLowerInvariant()}, {Counted.Of(TorchSharp.torch.get_num_threads(), "thread")}, "
        + RuntimeInformation.OSDescription;
}
