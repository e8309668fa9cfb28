using Hybrid.Command;
using Hybrid.Host.Checkpoints;
using Hybrid.Host.Data;
using Hybrid.Host.Runtime;

namespace Hybrid.Host.Commands;

/// <summary><c>train</c>: fits a model, keeps the best, tests it, writes the run's folder.</summary>
public static class TrainCommand
{
    public static int Run(TrainRequest request)
    {
        var output = new Output(request.Json);
        var placement = Machine.Prepare(request.Machine);
        using var data = new LoadedData(request.Data, output);
        output.Result(Run(request, data, placement, output));
        return 0;
    }

    /// <summary>One whole run on data that is there already.</summary>
    public static TrainResult Run(TrainRequest request, LoadedData data, Placement placement, Output output)
    {
        using var run = new TrainingRun(request, data, placement, output);
        return run.Finish();
    }

    /// <summary>Goes on with a run from its last saved state, in its own folder.</summary>
    public static int Resume(ResumeRequest request)
    {
        var output = new Output(request.Json);
        using var folder = RunFolder.Find(request.Run.Length > 0 ? request.Run : RunFolder.DefaultRoot);
        AtomicFile.Sweep(folder.Checkpoints);
        var file = CheckpointFile.Read(folder.Last);
        var state = RunState.Read(folder.Last, file);
        // The command line's relative paths mean what they meant then.
        if (Directory.Exists(state.WorkingFolder))
            Directory.SetCurrentDirectory(state.WorkingFolder);
        if (CommandLine.Read([.. state.Arguments]) is not Request.Train { Item: var train })
            throw new WorkException($"'{folder.Last}' does not hold the command line that started its run");
        var placement = Machine.Prepare(train.Machine);
        using var data = new LoadedData(train.Data, output);
        using var run = new TrainingRun(train, data, placement, output, (folder, file, state));
        output.Result(run.Finish());
        return 0;
    }
}
