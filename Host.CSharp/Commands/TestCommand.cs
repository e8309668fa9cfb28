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
        var trained = TrainedModel.Read(RunCheckpoint.Of(request.Checkpoint, output.Line), request.Model, output.Line);
        var placement = Machine.Prepare(request.Machine);
        var wanted = Requests.WithSize(DataFor(request, trained), trained.Input);
        // The part that the checkpoint was trained without is only found as training found it.
        var own = LoadedData.FullName(wanted.Source) == trained.Data?.TrimEnd(Path.DirectorySeparatorChar);
        if (own)
            wanted = TestedData.AsTrained(wanted, request.SplitSeedGiven, trained);
        var whole = request.SourceGiven && (!own || request.Split.IsTest);
        using var data = new LoadedData(wanted, output, testing: true, whole ? request.Split : null);
        TestedData.Check(request, trained, data, own, output);
        if (data.Undivided)
            output.Line(
                $"{data.Name} has no parts: all of it is tested{(own ? ", what the network was trained on included" : "")}"
            );
        else if (whole && request.Split.IsVal && data.ValFromTrain && wanted.ValSize is null)
            output.Line(
                $"{data.Name} has no folder val: the part of train that training would hold back is tested (--split train tests all)"
            );
        using var network = trained.Build(placement);
        var metrics = Diagnose(trained, network, data, request.Split, request.BatchSize).Metrics;
        if (trained.Classes is { } known && Lacking(known, data.Of(request.Split)) is { Count: > 0 } lacking)
            output.Line($"No images of {FolderLayout.Few(lacking)}: tested on the other classes");
        if (!double.IsFinite(metrics.Loss))
            throw new WorkException(
                $"'{trained.File}' on {request.Split} of {data.Name}: the loss is {metrics.Loss}, which is no result"
            );
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
            throw new RequestException(
                split.IsTest && data.ValFromTrain
                    ? $"{data.Name} has no folder test: test on the images that training held back with --split val, or name "
                        + "other data with --data"
                : data.OfPictures
                    ? $"{data.Name} has no folder {split}: name another part with --split, or other data with --data"
                : $"{data.Name} has no images in its {split} split: name another with --split, or other data with --data"
            );
        if (!images.Shape.Equals(trained.Input))
            throw new RequestException(
                $"'{trained.File}' reads images of {trained.Input}, {data.Name} has {images.Shape}"
            );
        var classes = trained.Classes;
        if (classes is null && trained.Model.Classes != images.Classes.Length)
            throw new RequestException(
                $"'{trained.File}' tells {Counted.Of(trained.Model.Classes, "class", "classes")} apart, {data.Name} has {images.Classes.Length}"
            );
        if (classes is not null && Unknown(classes, images) is { Count: > 0 } unknown)
            throw new RequestException(
                $"'{trained.File}' is of the classes {FolderLayout.Few(classes)} and knows no {FolderLayout.Few(unknown)}, which "
                    + $"{data.Name} has: take those images away, or name their folders as the classes are named"
                    + string.Concat(unknown.Take(1).Select(name => LayoutDoubts.Near(name, classes)))
            );
        // By their names: the same place in another list is another class.
        using IDisposable? relabelled =
            classes is null || classes.SequenceEqual(images.Classes) ? null : Datasets.Relabel(images, [.. classes]);
        if (relabelled is Dataset named)
            images = named;
        var normalisation = trained.Normalisation ?? data.Normalisation;
        return OutOfMemory.Explain(
            network,
            batchSize,
            training: false,
            () => Training.Diagnose(network, images, normalisation, batchSize, Interrupt.Token)
        );
    }

    /// <summary>What to test on. What the checkpoint says is a hint: it is shown, and followed only to what is there
    /// already. Nothing is downloaded, and no folder is made, because a file says so.</summary>
    private static DataRequest DataFor(TestRequest request, TrainedModel trained)
    {
        if (request.SourceGiven)
            return request.Data;
        if (trained.Data is { } stored)
        {
            var data = Requests.WithSource(request.Data, stored);
            if (data.Source is DataSource.Cifar10 { Folder: var ten } && !IsThere(CifarVariant.Cifar10, ten))
                throw NotThere(stored);
            if (data.Source is DataSource.Cifar100 { Folder: var hundred } && !IsThere(CifarVariant.Cifar100, hundred))
                throw NotThere(stored);
            return data.Source is not DataSource.Folder { Folder: var folder } || NamedFolder.Exists(folder)
                ? data
                : throw new RequestException(
                    $"'{trained.File}' was trained on '{folder}', which is not there: say what to test on with "
                        + "--data folder:DIR"
                );
        }

        throw new RequestException(
            $"'{trained.File}' does not say what it was trained on: say what to test on with --data"
        );
    }

    /// <summary>What a checkpoint names is read where it is there; it is never a reason to download or to write.</summary>
    private static bool IsThere(CifarVariant variant, string folder) =>
        CifarFiles.Locate(variant, Path.GetFullPath(folder.Length > 0 ? folder : CifarArchive.DefaultRoot()))
            is not null;

    private static RequestException NotThere(string stored) =>
        new($"the checkpoint was trained on {stored}, which is not there: --data {stored} has it downloaded");

    /// <summary>Classes of these images that are not among the network's.</summary>
    private static List<string> Unknown(IReadOnlyList<string> known, Dataset images) =>
        [.. Present(images).Except(known)];

    /// <summary>The network's classes that none of these images is of.</summary>
    private static List<string> Lacking(IReadOnlyList<string> known, Dataset images) =>
        images.Count == 0 ? [] : [.. known.Except(Present(images))];

    private static IEnumerable<string> Present(Dataset images) =>
        images.Classes.Zip(Datasets.PerClass(images)).Where(it => it.Second > 0).Select(it => it.First);
}

/// <summary>What a test came to; under <c>--json</c> with its fields in snake case.</summary>
public sealed record TestResult(string Split, long Count, long Correct, double Acc, double Loss);
