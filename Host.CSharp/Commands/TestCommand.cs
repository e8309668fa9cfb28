using Hybrid.Command;
using Hybrid.Host.Checkpoints;
using Hybrid.Host.Data;
using Hybrid.Host.Runtime;

namespace Hybrid.Host.Commands;

/// <summary><c>test</c>: evaluates a checkpoint on a split.</summary>
public static class TestCommand
{
    public static int Run(TestRequest request)
    {
        var output = new Output(request.Json);
        var trained = TrainedModel.Read(request.Checkpoint, request.Model, output.Line);
        var placement = Machine.Prepare(request.Machine);
        using var data = new LoadedData(Requests.WithSize(DataFor(request, trained), trained.Input), output);
        using var network = trained.Build(placement);
        var metrics = Diagnose(trained, network, data, request.Split, request.BatchSize).Metrics;
        output.Line(
            $"{trained.Model.Name} on {request.Split} of {data.Name}: {metrics.Correct:N0} of {metrics.Count:N0} correct, "
                + $"{Output.Percent(metrics.Accuracy)}, loss {metrics.Loss:F4}"
        );
        output.Result(
            new TestResult(request.Split.ToString()!, metrics.Count, metrics.Correct, metrics.Accuracy, metrics.Loss)
        );
        return 0;
    }

    /// <summary>How a network does on a split, after a look at whether network and data go together.</summary>
    /// <exception cref="RequestException">They do not, or the split is empty.</exception>
    public static Diagnosis Diagnose(
        TrainedModel trained,
        TorchModule network,
        LoadedData data,
        Hybrid.Command.Split split,
        int batchSize
    )
    {
        var images = data.Of(split);
        if (images.Count == 0)
            throw new RequestException($"{data.Name} has no images in its {split} split");
        if (!images.Shape.Equals(trained.Input))
            throw new RequestException(
                $"'{trained.File}' reads images of {trained.Input}, {data.Name} has {images.Shape}"
            );
        var classes = trained.Classes;
        if (trained.Model.Classes != images.Classes.Length)
            throw new RequestException(
                $"'{trained.File}' tells {trained.Model.Classes} classes apart, {data.Name} has {images.Classes.Length}"
            );
        if (classes is not null && !classes.SequenceEqual(images.Classes))
            throw new RequestException(
                $"'{trained.File}' is of the classes {Few(classes)}, {data.Name} has {Few(images.Classes)}"
            );
        var normalisation = trained.Normalisation ?? data.Normalisation;
        return OutOfMemory.Explain(
            network,
            batchSize,
            training: false,
            () => Training.Diagnose(network, images, normalisation, batchSize)
        );
    }

    private static DataRequest DataFor(TestRequest request, TrainedModel trained)
    {
        if (request.SourceGiven)
            return request.Data;
        return trained.Data is { } stored
            ? Requests.WithSource(request.Data, stored)
            : throw new RequestException(
                $"'{request.Checkpoint}' does not say what it was trained on: say what to test on with --data"
            );
    }

    private static string Few(IReadOnlyList<string> classes) =>
        string.Join(", ", classes.Take(3)) + (classes.Count > 3 ? ", …" : "");
}

/// <summary>What a test came to; under <c>--json</c> with its fields in snake case.</summary>
public sealed record TestResult(string Split, long Count, long Correct, double Acc, double Loss);
