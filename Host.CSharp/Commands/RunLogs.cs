using System.Text.Json.Nodes;
using Hybrid.Command;
using Hybrid.Host.Callbacks;
using Hybrid.Host.Checkpoints;
using Hybrid.Host.Data;
using Hybrid.Host.Runtime;

namespace Hybrid.Host.Commands;

/// <summary>The logs in a run's folder, open for as long as the run is.</summary>
internal sealed class RunLogs : IDisposable
{
    /// <summary>Images of the first batch that the log holds for looking at.</summary>
    private const int ImagesToShow = 32;

    private readonly Stack<IDisposable> _open = new();

    public RunLogs(
        TrainRequest request,
        Recipe recipe,
        LoadedData data,
        RunFolder folder,
        JsonObject hyperParameters,
        Plan plan,
        Output output
    )
    {
        var optimizer = Training.OptimizerName(recipe);
        var monitor = new LearningRateMonitor(request.LearningRateEachStep ? recipe.LogEvery : 0);
        var samples = Training.Samples(recipe, data.Train, ImagesToShow);
        try
        {
            var events = Open(
                new TensorBoardLog(folder.Root, optimizer, hyperParameters, Models.Graph(plan), samples, monitor)
                {
                    LeftBehind = folder.LeftBehind,
                    Doubtful = folder.Doubtful,
                    Warn = output.Warning,
                }
            );
            folder.Note(events.File);
            Callbacks =
            [
                Open(new CsvLog(folder.Metrics, optimizer, monitor, output.Warning)),
                Open(new EpochCsv(folder.Epochs, optimizer, output.Warning)),
                events,
            ];
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public IReadOnlyList<ICallback> Callbacks { get; }

    public void Dispose()
    {
        while (_open.TryPop(out var log))
            log.Dispose();
    }

    private T Open<T>(T log)
        where T : IDisposable
    {
        _open.Push(log);
        return log;
    }
}
