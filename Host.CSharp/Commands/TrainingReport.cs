using System.Text.Json.Nodes;
using Hybrid.Host.Callbacks;
using Hybrid.Host.Checkpoints;
using Hybrid.Host.Data;
using Hybrid.Host.Report;
using Hybrid.Host.Runtime;

namespace Hybrid.Host.Commands;

/// <summary>Looks at what a run came to, and tells it in the run's folder.</summary>
public sealed class TrainingReport(
    Model model,
    LoadedData data,
    JsonObject hyperParameters,
    Fit fit,
    RunFolder folder,
    Throughput throughput,
    Output output
)
{
    /// <summary>What was told last; null where there was nothing to tell.</summary>
    public ReportedRun? Told { get; private set; }

    /// <summary>The network as it is, on all that was held back: <c>val</c>, <c>test</c>, or what there is of them.
    /// </summary>
    public IReadOnlyList<SplitResult> Diagnose()
    {
        var results = new List<SplitResult>();
        foreach (var (name, images) in new[] { ("val", data.Val), ("test", data.Test) })
            if (images.Count > 0)
            {
                var found = Training.Diagnose(
                    fit.Network,
                    images,
                    data.Normalisation,
                    fit.Recipe.BatchSize,
                    Interrupt.Token
                );
                results.Add(SplitResult.Of(name, images, found));
            }
        return results;
    }

    /// <summary>Writes the report, if there is an epoch to show.</summary>
    /// <param name="bestEpoch">The epoch that the results are of, counted from 1.</param>
    /// <returns>Its path; null where there is none.</returns>
    public string? Write(int? bestEpoch, IReadOnlyList<SplitResult> results, TimeSpan elapsed) =>
        ReportFile.TryWrite(
            folder.Root,
            output,
            path =>
            {
                var history = RunHistory.Read(folder.Epochs);
                if (history.Epochs.Count == 0)
                    return false;
                Told = Tell(history, results, elapsed) with { BestEpoch = bestEpoch, Report = path };
                RunReport.Write(path, Told);
                return true;
            }
        );

    private ReportedRun Tell(RunHistory history, IReadOnlyList<SplitResult> results, TimeSpan elapsed)
    {
        var (network, steps) = (fit.Network, fit.StepsPerEpoch);
        // A last epoch that --max-steps cut short is drawn as long as it was.
        var left = fit.Recipe.MaxSteps > 0 ? Math.Min(0, fit.Position.Left) : fit.Position.Left;
        return new(model.Name, data.Name, hyperParameters, network.Plan, data.Train.Classes, results)
        {
            History = history,
            Rates = history.EachStep(steps, step => Training.Rate(fit.Recipe, steps, left, step), left),
            Timing = new RunTiming(network.Weights.Placement, elapsed.TotalSeconds, throughput.ImagesPerSecond),
        };
    }
}
