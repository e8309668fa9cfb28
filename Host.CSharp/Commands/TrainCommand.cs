using Hybrid.Command;
using Hybrid.Host.Callbacks;
using Hybrid.Host.Checkpoints;
using Hybrid.Host.Data;
using Hybrid.Host.Runtime;

namespace Hybrid.Host.Commands;

/// <summary><c>train</c>: fits a model, keeps the best, tests it, writes the run's folder.</summary>
public static class TrainCommand
{
    /// <summary>
    /// Does what <c>hybrid train ARGUMENTS</c> does, watched by the caller's callbacks as well. They are told of each event
    /// after the built-in ones that log, and before those that save: what an <see cref="IStateful"/> remembers is part of
    /// the state that <c>--resume</c> goes on from.
    /// </summary>
    /// <param name="own">The caller's, who disposes what there is to dispose.</param>
    /// <example><c>var result = TrainCommand.Run(["--model", "DenseNet"], new MyCallback());</c></example>
    /// <exception cref="RequestException">The arguments are wrong; the message says what is allowed.</exception>
    /// <exception cref="WorkException">Nothing came of the run.</exception>
    public static TrainResult Run(IReadOnlyList<string> arguments, params IReadOnlyList<ICallback> own) =>
        Run(arguments, json => new Output(json), own);

    /// <summary>The same, speaking to somebody else.</summary>
    internal static TrainResult Run(
        IReadOnlyList<string> arguments,
        Func<bool, Output> output,
        IReadOnlyList<ICallback> own
    ) =>
        CommandLine.Read(["train", .. arguments], SettingsFile.Surroundings) switch
        {
            Request.Train { Item: var request } => Start(request, output(request.Json), own),
            Request.Resume { Item: var request } => GoOn(request, output(request.Json), own),
            Request.Wrong { Message: var message } => throw new RequestException(message),
            _ => throw new RequestException($"'{string.Join(' ', arguments)}' asks for no training"),
        };

    /// <summary>The verb, for a new run.</summary>
    public static int Run(TrainRequest request)
    {
        var output = new Output(request.Json);
        output.Result(Start(request, output, []));
        return 0;
    }

    /// <summary>The verb, for a run that is taken up again.</summary>
    public static int Resume(ResumeRequest request)
    {
        var output = new Output(request.Json);
        output.Result(GoOn(request, output, []));
        return 0;
    }

    private static TrainResult Start(TrainRequest request, Output output, IReadOnlyList<ICallback> own)
    {
        var placement = Machine.Prepare(request.Machine);
        using var data = new LoadedData(request.Data, output);
        var fitted = RequestedModel.Fitted(request, data);
        if (!fitted.Settings.Equals(request.Settings))
        {
            var usual = RequestedModel.Recipe(request, data).BatchSize;
            var recipe = RequestedModel.Recipe(fitted, data);
            output.Line(
                $"{Counted.Of(data.Train.Count, "image")} {(data.Train.Count == 1 ? "is" : "are")} few for batches of {usual}: they are of "
                    + $"{recipe.BatchSize} here{(!recipe.DropLast ? ", the last one kept though it may be smaller" : "")} "
                    + "(--batch-size names another size)"
            );
        }
        request = fitted;
        var tuner = new Tuner(request, data, placement, output);
        tuner.Settle();
        using var run = new TrainingRun(tuner.Request, data, placement, output, own);
        tuner.Curve?.Write(run.Root);
        return run.Finish();
    }

    private static TrainResult GoOn(ResumeRequest request, Output output, IReadOnlyList<ICallback> own)
    {
        var root = request.Run.Length > 0 ? request.Run : RunFolder.DefaultRoot;
        if (request.Longer)
            throw new RequestException(
                "--resume goes on with a run as it was started, to the length that it was started with. To train on from its "
                    + $"weights start a new run: --init {SavedRun.Locate(root)} --epochs N"
            );
        using var saved = SavedRun.Find(root);
        var train = saved.Request(request.Machine);
        // Before the folder is changed: what names a libtorch on this command line is meant from here.
        var placement = Machine.Prepare(train.Machine);
        var place = request.Data.Length > 0 ? LoadedData.FullName(request.Data) : null;
        // The command line's relative paths mean what they meant then.
        if (Directory.Exists(saved.State.WorkingFolder))
            Directory.SetCurrentDirectory(saved.State.WorkingFolder);
        train = ResumedData.Find(train, place);
        using var data = new LoadedData(train.Data, output);
        ResumedData.Check(saved, data, request.AcceptChangedData, output);
        using var run = new TrainingRun(train, data, placement, output, own, saved);
        return run.Finish();
    }
}
