using Hybrid.Command;
using Hybrid.Host.Callbacks;
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
    /// <param name="own">Callbacks besides the built-in ones.</param>
    public static TrainResult Run(
        TrainRequest request,
        LoadedData data,
        Placement placement,
        Output output,
        params IReadOnlyList<ICallback> own
    )
    {
        using var run = new TrainingRun(request, data, placement, output, own);
        return run.Finish();
    }

    /// <summary>Goes on with a run from its last saved state, in its own folder.</summary>
    public static int Resume(ResumeRequest request)
    {
        var output = new Output(request.Json);
        var saved = SavedRun.Find(request.Run.Length > 0 ? request.Run : RunFolder.DefaultRoot);
        // The command line's relative paths mean what they meant then.
        if (Directory.Exists(saved.State.WorkingFolder))
            Directory.SetCurrentDirectory(saved.State.WorkingFolder);
        if (CommandLine.Read([.. saved.State.Arguments]) is not Request.Train { Item: var train })
            throw new WorkException($"'{saved.Source}' does not hold the command line that started its run");
        var placement = Machine.Prepare(train.Machine);
        using var data = new LoadedData(train.Data, output);
        using var run = new TrainingRun(train, data, placement, output, [], saved);
        output.Result(run.Finish());
        return 0;
    }
}
