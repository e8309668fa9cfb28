using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using Hybrid.Command;
using Hybrid.Host.Callbacks;
using Hybrid.Host.Checkpoints;
using Hybrid.Host.Data;
using Hybrid.Host.Runtime;

namespace Hybrid.Host.Commands;

/// <summary>One run: the network, its events, the callbacks that watch them, and what they leave in the folder.</summary>
public sealed class TrainingRun : IDisposable
{
    /// <summary>Images of the first batch that the log holds for looking at.</summary>
    private const int ImagesToShow = 32;

    private readonly Stopwatch _clock = Stopwatch.StartNew();
    private readonly TrainRequest _request;
    private readonly LoadedData _data;
    private readonly Output _output;
    private readonly Model _model;
    private readonly Recipe _recipe;
    private readonly TorchModule _network;
    private readonly Fit _fit;
    private readonly RunFolder _folder;
    private readonly CsvLog _log;
    private readonly EpochCsv _epochs;
    private readonly TensorBoardLog _tensorBoard;
    private readonly BestCheckpoint _best;
    private readonly Throughput _throughput;
    private readonly ProgressDisplay _progress;
    private readonly TrainingWatch _watch;
    private readonly JsonObject _hyperParameters;

    /// <param name="resumed">The folder and state of a run to go on with; null for a new one.</param>
    public TrainingRun(
        TrainRequest request,
        LoadedData data,
        Placement placement,
        Output output,
        (RunFolder Folder, Checkpoint File, RunState State)? resumed = null
    )
    {
        (_request, _data, _output) = (request, data, output);
        _model = ModelFor(request, data);
        var plan = Models.Plan(_model, data.Train.Shape);
        _recipe = Training.Recipe(request.Data.Source, _model, request.Changes);
        _hyperParameters = Models.Describe(_model, _recipe);
        _network = Models.Build(_model, plan, placement, _recipe.Seed);
        if (request.Init.Length > 0 && resumed is null)
            Initialise();
        var start = resumed?.State.Position.ToPosition() ?? Training.Start;
        _fit = Training.Fit(_recipe, _network, data.Train, data.Val, data.Normalisation, start);

        _folder =
            resumed?.Folder
            ?? RunFolder.Create(
                request.Out.Length > 0 ? request.Out : Path.Combine(RunFolder.DefaultRoot, _model.Name)
            );
        if (resumed is null)
            _folder.WriteHyperParameters(_hyperParameters, data.Name, request.Data);
        _best = new BestCheckpoint(request.Monitor, _folder.Checkpoints, SaveBest);
        _throughput = new Throughput(_recipe.BatchSize);
        _progress = new ProgressDisplay(output);
        var optimizer = Training.OptimizerName(_recipe);
        _log = new CsvLog(_folder.Metrics, optimizer);
        _epochs = new EpochCsv(_folder.Epochs, optimizer);
        _tensorBoard = new TensorBoardLog(
            _folder.Root,
            optimizer,
            _hyperParameters,
            Models.Graph(plan),
            Training.Samples(_recipe, data.Train, ImagesToShow)
        );
        _watch = new TrainingWatch(
            [
                _log,
                _epochs,
                _tensorBoard,
                _best,
                new EarlyStopping(request.Monitor),
                _throughput,
                _progress,
                new StateCheckpoint(request.SaveEvery, SaveState),
            ],
            start
        );
        if (resumed is { } old)
            Restore(old.Folder.Last, old.File, old.State);
    }

    /// <summary>Trains to the end, then tests the best weights.</summary>
    /// <exception cref="OperationCanceledException">Interrupted; the state is saved.</exception>
    /// <exception cref="WorkException">Nothing came of it.</exception>
    public TrainResult Finish()
    {
        Announce();
        _progress.Around(() => _watch.Follow(_fit));
        if (Interrupt.Asked)
        {
            SaveState();
            _folder.Keep();
            throw new OperationCanceledException(
                $"interrupted after {_watch.Steps} steps; go on with: hybrid train --resume {_folder.Root}"
            );
        }
        if (_best.File is not { } file || _best.Best is not { } best)
            throw _watch.Diverged is { } where
                ? new WorkException(
                    $"training diverged: the loss of step {where.Step} is {where.Loss}; try a lower --lr"
                )
                : new WorkException("the run ended before its first epoch: nothing was kept");

        ModuleTensors.Write(_network, CheckpointFile.Read(file).Tensors, file);
        var val = Evaluate(_data.Val);
        var test = Evaluate(_data.Test);
        var result = new TrainResult(
            _folder.Root,
            _model.Name,
            Models.Summarise(_network.Plan).Params,
            _watch.Epochs,
            _watch.Steps,
            file,
            best.Epoch,
            best.TrainLoss,
            val?.Accuracy,
            val?.Loss,
            test?.Accuracy,
            test?.Loss,
            Math.Round(_clock.Elapsed.TotalSeconds, 3),
            Math.Round(_throughput.ImagesPerSecond, 1)
        );
        Report(result);
        return result;
    }

    public void Dispose()
    {
        _log.Dispose();
        _epochs.Dispose();
        _tensorBoard.Dispose();
        _folder.Dispose();
        ((IDisposable)_fit).Dispose();
        _network.Dispose();
    }

    private static Model ModelFor(TrainRequest request, LoadedData data)
    {
        var classes = data.Train.Classes.Length;
        var model = Models.Find(request.Model, classes);
        return model.Classes == classes
            ? model
            : throw new RequestException(
                $"num_classes is {model.Classes}, but {data.Name} has {classes} classes: leave num_classes out"
            );
    }

    private void Initialise()
    {
        var classes = FineTuning.Start(_network, CheckpointFile.Read(_request.Init).Tensors, _request.Init);
        if (classes is not null)
            _output.Line(
                $"'{_request.Init}' tells {classes} classes apart, {_data.Name} has {_data.Train.Classes.Length}: "
                    + "the last layer starts anew"
            );
    }

    private Metrics? Evaluate(Dataset data) =>
        data.Count > 0 ? Training.Evaluate(_network, data, _data.Normalisation, _recipe.BatchSize) : null;

    private void SaveBest(string path, EpochMetrics metrics)
    {
        TrainedModel.Write(
            path,
            ModuleTensors.Read(_network),
            _hyperParameters,
            TrainedOn,
            Facts(metrics.Epoch, metrics.Step + 1)
        );
        _folder.Keep();
    }

    private void SaveState()
    {
        var position = _fit.Position;
        var state = new RunState(
            _request.Arguments,
            Environment.CurrentDirectory,
            TorchSharp.torch.get_num_threads(),
            RunPosition.Of(position),
            new JsonObject(_watch.Stateful.Select(it => KeyValuePair.Create<string, JsonNode?>(it.Name, it.Save())))
        );
        var moments = _fit.OptimizerTensors.Select(pair =>
        {
            using var view = pair.Item2;
            return ModuleTensors.Read(RunState.OptimizerPrefix + pair.Item1, view);
        });
        Directory.CreateDirectory(_folder.Checkpoints);
        TrainedModel.Write(
            _folder.Last,
            [.. ModuleTensors.Read(_network), .. moments],
            _hyperParameters,
            TrainedOn,
            [.. Facts(position.Epoch, position.Step), state.ToMetadata()]
        );
    }

    private void Restore(string path, Checkpoint file, RunState state)
    {
        var (moments, weights) = TrainedModel.Divide(file.Tensors);
        ModuleTensors.Write(_network, weights, path);
        var views = _fit.OptimizerTensors;
        ModuleTensors.Write(views, moments, path);
        foreach (var (_, view) in views)
            view.Dispose();
        foreach (var callback in _watch.Stateful)
            if (state.Callbacks[callback.Name] is JsonObject saved)
                callback.Restore(saved);
        if (state.Threads != TorchSharp.torch.get_num_threads())
            _output.Line(
                $"The run was started with {state.Threads} threads: with another number its last digits will differ."
            );
    }

    private TrainedOn TrainedOn => new(_data.Train.Shape, _data.Train.Classes, _data.Normalisation, _data.Name);

    private static Dictionary<string, string> Facts(int epoch, long steps) =>
        new()
        {
            ["epoch"] = epoch.ToString(CultureInfo.InvariantCulture),
            ["global_step"] = steps.ToString(CultureInfo.InvariantCulture),
        };

    private void Announce()
    {
        var summary = Models.Summarise(_network.Plan);
        _output.Line(
            $"{_model.Name}: {summary.Params:N0} parameters, {summary.Macs / 1e6:F1} million multiply-adds an image"
        );
        _output.Line(
            $"{_data.Name}: {_data.Train.Count:N0} images to train on, {_data.Val.Count:N0} to validate on, "
                + $"{_data.Test.Count:N0} to test on, {_data.Train.Classes.Length} classes"
        );
        _output.Line(
            $"{_recipe.Epochs} epochs of batches of {_recipe.BatchSize}, {Training.OptimizerName(_recipe)} "
                + $"from a rate of {_recipe.LearningRate}, seed {_recipe.Seed}; into {_folder.Root}"
        );
    }

    private void Report(TrainResult result)
    {
        var val = result.ValAcc is { } v ? $"val accuracy {Output.Percent(v)}, " : "";
        var test = result.TestAcc is { } t ? $"test accuracy {Output.Percent(t)}" : "not tested";
        _output.Line($"Best epoch {result.BestEpoch + 1}: {val}{test}");
        _output.Line($"{result.Seconds:F0} s, {result.ImagesPerSecond:F0} images/s in training");
        _output.Line(result.BestCheckpoint);
    }
}
