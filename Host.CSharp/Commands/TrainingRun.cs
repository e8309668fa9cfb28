using System.Diagnostics;
using System.Text.Json.Nodes;
using Hybrid.Command;
using Hybrid.Host.Callbacks;
using Hybrid.Host.Checkpoints;
using Hybrid.Host.Data;
using Hybrid.Host.Report;
using Hybrid.Host.Runtime;

namespace Hybrid.Host.Commands;

/// <summary>One run: the network, its events, the callbacks that watch them, and what they leave in the folder.</summary>
public sealed class TrainingRun : IDisposable
{
    private readonly Stopwatch _clock = Stopwatch.StartNew();
    private readonly Stack<IDisposable> _owned = new();
    private readonly TrainRequest _request;
    private readonly LoadedData _data;
    private readonly Output _output;
    private readonly Model _model;
    private readonly Recipe _recipe;
    private readonly TrainingReport _report;
    private readonly TorchModule _network;
    private readonly Fit _fit;
    private readonly RunFolder _folder;
    private readonly RunSaving _saving;
    private readonly EarlyStopping _early;
    private readonly Throughput _throughput;
    private readonly ProgressDisplay _progress;
    private readonly TrainingWatch _watch;

    /// <summary>Nothing is left to train of a run that is taken up again.</summary>
    private readonly bool _over;

    /// <param name="own">Callbacks besides the built-in ones.</param>
    /// <param name="saved">A run to go on with; null for a new one.</param>
    public TrainingRun(
        TrainRequest request,
        LoadedData data,
        Placement placement,
        Output output,
        IReadOnlyList<ICallback> own,
        SavedRun? saved = null
    )
    {
        (_request, _data, _output) = (request, data, output);
        try
        {
            _model = RequestedModel.Of(request, data, saved);
            RequestedModel.Check(request.Monitor, data);
            var plan = Models.Plan(_model, data.Train.Shape);
            _recipe = saved?.Recipe(request, _model) ?? Training.Recipe(request, _model);
            var hyperParameters = Models.Describe(_model, _recipe);
            StartedWith.Add(hyperParameters, request, data.Name, placement);
            // Before memory is taken for a network that a file describes.
            if (saved is not null)
                ModuleTensors.Compare(
                    Models.StateTensors(plan),
                    TrainedModel.Divide(saved.Checkpoint.Tensors).Weights,
                    saved.Source
                );
            _network = Owned(Models.Build(_model, plan, placement, _recipe.Seed));
            if (request.Init.Length > 0 && saved is null)
                RequestedModel.Initialise(_network, request, output);
            var start = saved is null ? Training.Start : ResumedData.Place(saved, _recipe, data);
            _fit = Owned(Training.Fit(_recipe, _network, Near(data.Train), Near(data.Val), data.Normalisation, start));
            _fit.Cancel = Interrupt.Token;
            _folder = Owned(saved?.Folder ?? NewFolder(request, hyperParameters));
            if (saved is not null && !_folder.HoldsHyperParameters)
            {
                output.Warning($"'{Path.Combine(_folder.Root, "hparams.yaml")}' is gone: it is written anew");
                _folder.WriteHyperParameters(hyperParameters, data.Name, request.Data);
            }
            var trainedOn = new TrainedOn(
                Models.Network(_model),
                data.Train.Shape,
                data.Train.Classes,
                data.Normalisation,
                data.Name,
                data.Facts
            );
            var snapshot = new RunSnapshot(request, _fit, hyperParameters, trainedOn);
            _saving = Owned(new RunSaving(request, _folder, snapshot, () => _watch!.Memories, output));
            _early = new EarlyStopping(request.Monitor);
            var leftOut = _recipe.DropLast ? data.Train.Count % _recipe.BatchSize : 0;
            _throughput = new Throughput(_recipe.BatchSize * _recipe.Accumulate, data.Train.Count - leftOut);
            _report = new TrainingReport(_model, data, hyperParameters, _fit, _folder, _throughput, output);
            _progress = new ProgressDisplay(output);
            var logs = Owned(new RunLogs(request, _recipe, data, _folder, hyperParameters, plan, output));
            _watch = new TrainingWatch(
                watching: [.. logs.Callbacks, _early, _throughput, _progress, .. own],
                saving: _saving.Callbacks,
                start
            );
            if (saved is not null)
                ResumedRun.Restore(
                    saved,
                    request,
                    _recipe,
                    data,
                    _folder,
                    snapshot,
                    _watch,
                    (_saving.Best, _early),
                    own,
                    output
                );
            _over = saved is not null && (Training.IsOver(_recipe, start) || start.Batch == 0 && _early.WantsStop);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The run's folder.</summary>
    public string Root => _folder.Root;

    /// <summary>What the run's report tells; null before the run has ended and where nothing can be told.</summary>
    public ReportedRun? Reported => _report.Told;

    /// <summary>Trains to the end, then tests the best weights.</summary>
    /// <exception cref="OperationCanceledException">Interrupted; the state is saved.</exception>
    /// <exception cref="WorkException">Nothing came of it.</exception>
    public TrainResult Finish() => _folder.Within(Train);

    private TrainResult Train()
    {
        var where = _request.FastDevRun ? "one step, nothing is kept" : $"into {_folder.Root}";
        TrainingWords.Before(_output, _model, _network.Plan, _data, _recipe, where);
        foreach (var remark in Training.Remarks(_request, _model, _recipe))
            _output.Line(remark);
        if (!_request.FastDevRun && _request.Data.LimitTrain > _data.Train.Count)
            _output.Line(
                $"{(_data.Train.Count == 1 ? "the one training image is" : $"all of the {_data.Train.Count:N0} training images are")} taken: "
                    + $"there are no {_request.Data.LimitTrain:N0}"
            );
        if (_over)
            _output.Line(TrainingWords.NothingLeft(_watch, _early.WantsStop ? _early.Reason : null, _folder.Last));
        OutOfMemory.Explain(
            _network,
            _recipe.BatchSize,
            training: true,
            () => _progress.During(() => _watch.Follow(_fit))
        );
        if (Interrupt.Asked)
            throw Interrupted();
        if (_saving.Best.File is null && _watch.Diverged is { } end)
        {
            if (_saving.Best.Best is null)
                _folder.Discard();
            throw new WorkException(
                $"training diverged: the {end.Metric} of step {end.Step} is {end.Loss}; try a lower --lr"
            );
        }
        var best =
            _saving.Best.Best ?? throw new WorkException("the run ended before its first epoch: nothing was kept");
        _saving.CheckFolder();
        if (_saving.Best.File is { } file)
            ModuleTensors.Write(_fit.Network, TrainedModel.Divide(CheckpointFile.Read(file).Tensors).Weights, file);
        var results = Diagnose();
        var val = results.FirstOrDefault(it => it.Name == "val")?.Diagnosis.Metrics;
        var test = results.FirstOrDefault(it => it.Name == "test")?.Diagnosis.Metrics;
        var report = _report.Write(best.Epoch + 1, results, _clock.Elapsed);
        var result = new TrainResult(
            _request.FastDevRun ? null : _folder.Root,
            _model.Name,
            Models.Summarise(_network.Plan).Params,
            _watch.Epochs,
            _watch.Steps,
            _request.FastDevRun ? null : _saving.Best.File,
            best.Epoch,
            best.TrainLoss,
            val?.Accuracy,
            val?.Loss,
            test?.Accuracy,
            test?.Loss,
            Math.Round(_clock.Elapsed.TotalSeconds, 3),
            Math.Round(_throughput.ImagesPerSecond, 1),
            _request.FastDevRun ? null : report
        );
        if (_watch.Diverged is { } late)
            throw new WorkException(
                $"training diverged: the {late.Metric} of step {late.Step} is {late.Loss}; try a lower --lr. "
                    + $"The best epoch before is kept in {_saving.Best.File}"
            );
        if (results.FirstOrDefault(it => !double.IsFinite(it.Diagnosis.Metrics.Loss)) is { } none)
            throw new WorkException($"the loss on {none.Name} is {none.Diagnosis.Metrics.Loss}: try a lower --lr");
        TrainingWords.After(_output, result, _early.WantsStop ? _early.Reason : null);
        return result;
    }

    private IReadOnlyList<SplitResult> Diagnose()
    {
        try
        {
            return _report.Diagnose();
        }
        catch (OperationCanceledException) when (Interrupt.Asked)
        {
            var again = _request.Save.Last
                ? $"test it with: hybrid train --resume {_folder.Root}"
                : "its weights are kept";
            throw new OperationCanceledException($"trained to its end, interrupted while it was tested; {again}");
        }
    }

    public void Dispose()
    {
        while (_owned.TryPop(out var it))
            it.Dispose();
    }

    /// <summary>A set where the network is, if there is room.</summary>
    private Dataset Near(Dataset set)
    {
        var placement = _network.Weights.Placement;
        var near = Datasets.Near(set, placement, DeviceMemory.Free(placement.Device));
        return ReferenceEquals(near, set) ? set : Owned(near);
    }

    /// <summary>From now on the run disposes it; the latest goes first.</summary>
    private T Owned<T>(T it)
        where T : IDisposable
    {
        _owned.Push(it);
        return it;
    }

    private RunFolder NewFolder(TrainRequest request, JsonObject hyperParameters)
    {
        var root = request.Out.Length > 0 ? request.Out : Path.Combine(RunFolder.DefaultRoot, _model.Name);
        var folder = request.FastDevRun ? RunFolder.Passing() : RunFolder.Create(root);
        folder.WriteHyperParameters(hyperParameters, _data.Name, request.Data);
        SettingsFile.Write(folder.Settings, StartedWith.Settings(request, _data.Name, _network.Weights.Placement));
        return folder;
    }

    private OperationCanceledException Interrupted()
    {
        var soFar = $"interrupted after {Counted.Of(_watch.Steps, "step")}";
        if (_folder.Removed() is { } part)
        {
            _output.Warning($"'{part}' was removed while the run went on");
            _folder.Mend();
        }
        _report.Write(null, [], _clock.Elapsed);
        if (!_request.Save.Last || _request.FastDevRun)
            return new($"{soFar}; its last state was not to be saved");
        return _saving.WriteState()
            ? new($"{soFar}; go on with: hybrid train --resume {_folder.Root}")
            : new($"{soFar}; the loss is no number, so that this state is not saved");
    }
}
