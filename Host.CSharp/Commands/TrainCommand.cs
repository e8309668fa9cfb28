using System.Diagnostics;
using System.Globalization;
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
        var result = Run(request, data, placement, output);
        output.Result(result);
        return 0;
    }

    /// <summary>One whole run on data that is there already.</summary>
    public static TrainResult Run(TrainRequest request, LoadedData data, Placement placement, Output output)
    {
        var clock = Stopwatch.StartNew();
        var model = ModelFor(request, data);
        var plan = Models.Plan(model, data.Train.Shape);
        var recipe = Training.Recipe(request.Data.Source, model, request.Changes);
        using var network = Models.Build(model, plan, placement, recipe.Seed);
        if (request.Init.Length > 0)
            Initialise(network, request);

        using var fit = Training.Fit(recipe, network, data.Train, data.Val, data.Normalisation);
        using var folder = RunFolder.Create(request.Out.Length > 0 ? request.Out : Path.Combine("runs", model.Name));
        var hyperParameters = Models.Describe(model, recipe);
        folder.WriteHyperParameters(hyperParameters, data.Name, request.Data);
        Announce(output, model, plan, recipe, data, folder);

        var trainedOn = new TrainedOn(data.Train.Shape, data.Train.Classes, data.Normalisation, data.Name);
        void Save(string path, int epoch, long steps) =>
            TrainedModel.Write(path, ModuleTensors.Read(network), hyperParameters, trainedOn, Facts(epoch, steps));
        var best = new BestCheckpoint(
            request.Monitor,
            folder.Checkpoints,
            (path, metrics) => Save(path, metrics.Epoch, metrics.Step + 1)
        );
        var throughput = new Throughput(recipe.BatchSize);
        var progress = new ProgressDisplay(output);
        using var log = new CsvLog(folder.Metrics, Training.OptimizerName(recipe));
        var events = new TrainingWatch([log, best, new EarlyStopping(request.Monitor), throughput, progress]);
        progress.Around(() => events.Follow(fit));

        if (Interrupt.Asked)
        {
            var last = Path.Combine(folder.Checkpoints, "last.safetensors");
            Directory.CreateDirectory(folder.Checkpoints);
            Save(last, events.Epochs, events.Steps);
            folder.Keep();
            throw new OperationCanceledException($"interrupted after {events.Steps} steps; the weights are in {last}");
        }

        if (best.File is not { } file || best.Best is not { } epoch)
            throw events.Diverged is { } where
                ? new WorkException(
                    $"training diverged: the loss of step {where.Step} is {where.Loss}; try a lower --lr"
                )
                : new WorkException("the run ended before its first epoch: nothing was kept");
        folder.Keep();

        ModuleTensors.Write(network, CheckpointFile.Read(file).Tensors, file);
        var val =
            data.Val.Count > 0 ? Training.Evaluate(network, data.Val, data.Normalisation, recipe.BatchSize) : null;
        var test = Training.Evaluate(network, data.Test, data.Normalisation, recipe.BatchSize);
        var result = new TrainResult(
            folder.Root,
            model.Name,
            Models.Summarise(plan).Params,
            events.Epochs,
            events.Steps,
            file,
            epoch.Epoch,
            epoch.TrainLoss,
            val?.Accuracy,
            val?.Loss,
            test.Accuracy,
            test.Loss,
            Math.Round(clock.Elapsed.TotalSeconds, 3),
            Math.Round(throughput.ImagesPerSecond, 1)
        );
        Report(output, result);
        return result;
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

    private static void Initialise(TorchModule network, TrainRequest request) =>
        ModuleTensors.Write(network, CheckpointFile.Read(request.Init).Tensors, request.Init);

    private static Dictionary<string, string> Facts(int epoch, long steps) =>
        new()
        {
            ["epoch"] = epoch.ToString(CultureInfo.InvariantCulture),
            ["global_step"] = steps.ToString(CultureInfo.InvariantCulture),
        };

    private static void Announce(
        Output output,
        Model model,
        Plan plan,
        Recipe recipe,
        LoadedData data,
        RunFolder folder
    )
    {
        var summary = Models.Summarise(plan);
        output.Line(
            $"{model.Name}: {summary.Params:N0} parameters, {summary.Macs / 1e6:F1} million multiply-adds an image"
        );
        output.Line(
            $"{data.Name}: {data.Train.Count:N0} images to train on, {data.Val.Count:N0} to validate on, "
                + $"{data.Train.Classes.Length} classes"
        );
        output.Line(
            $"{recipe.Epochs} epochs of batches of {recipe.BatchSize}, {Training.OptimizerName(recipe)} "
                + $"from a rate of {recipe.LearningRate}, seed {recipe.Seed}; into {folder.Root}"
        );
    }

    private static void Report(Output output, TrainResult result)
    {
        var val = result.ValAcc is { } v ? $"val accuracy {Output.Percent(v)}, " : "";
        var test = result.TestAcc is { } t ? $"test accuracy {Output.Percent(t)}" : "not tested";
        output.Line($"Best epoch {result.BestEpoch + 1}: {val}{test}");
        output.Line($"{result.Seconds:F0} s, {result.ImagesPerSecond:F0} images/s in training");
        output.Line(result.BestCheckpoint);
    }
}

/// <summary>What a run came to; under <c>--json</c> with its fields in snake case.</summary>
public sealed record TrainResult(
    string RunDir,
    string Model,
    long NumParams,
    int Epochs,
    long Steps,
    string BestCheckpoint,
    int BestEpoch,
    double TrainLoss,
    double? ValAcc,
    double? ValLoss,
    double? TestAcc,
    double? TestLoss,
    double Seconds,
    double ImagesPerSecond
);
