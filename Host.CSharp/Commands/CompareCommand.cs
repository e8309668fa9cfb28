using Hybrid.Command;
using Hybrid.Host.Checkpoints;
using Hybrid.Host.Data;
using Hybrid.Host.Report;
using Hybrid.Host.Runtime;
using Spectre.Console;

namespace Hybrid.Host.Commands;

/// <summary><c>compare</c>: several models under one protocol, trained here or taken from checkpoints.</summary>
public static class CompareCommand
{
    private static readonly string[] Endings = [".safetensors", ".ckpt", ".pt"];

    public static int Run(CompareRequest request)
    {
        var train = request.Train;
        var output = new Output(train.Json);
        if (request.Checkpoints.Length > 0 && !NamedFolder.Exists(request.Checkpoints))
            throw new RequestException($"--checkpoints {request.Checkpoints}: there is no such folder");
        var placement = Machine.Prepare(train.Machine);
        using var data = new LoadedData(train.Data, output);
        var rows = new List<CompareRow>();
        var runs = new List<ReportedRun>();
        foreach (var name in request.Models)
        {
            var file = Stored(request.Checkpoints, name);
            var (row, run) = file is null
                ? Train(request, name, data, placement, output)
                : Test(file, name, data, placement);
            rows.Add(row);
            if (run is not null)
                runs.Add(run);
        }

        output.People.Write(Table(rows));
        var report = WriteReport(train, runs, output);
        output.Result(new CompareResult(rows, report));
        return 0;
    }

    private static string? Stored(string folder, string name) =>
        folder.Length == 0
            ? null
            : Endings.Select(ending => Path.Combine(folder, name + ending)).FirstOrDefault(File.Exists);

    private static (CompareRow, ReportedRun?) Train(
        CompareRequest request,
        string name,
        LoadedData data,
        Placement placement,
        Output output
    )
    {
        var train = RequestedModel.Fitted(Requests.WithModel(request.Train, name), data);
        using var run = new TrainingRun(train, data, placement, output, []);
        var result = run.Finish();
        return (
            new CompareRow(name, result.ValAcc, result.TestAcc, result.NumParams, result.BestCheckpoint),
            run.Reported
        );
    }

    private static (CompareRow, ReportedRun?) Test(string file, string name, LoadedData data, Placement placement)
    {
        var trained = TrainedModel.Read(file, Requests.Unnamed);
        if (trained.Model.Name != name)
            throw new RequestException($"'{file}' holds a {trained.Model.Name}, not a {name}");
        using var network = trained.Build(placement);
        var results = new List<SplitResult>();
        foreach (var split in new[] { Hybrid.Command.Split.Val, Hybrid.Command.Split.Test })
            if (data.Of(split) is { Count: > 0 } images)
                results.Add(
                    SplitResult.Of($"{split}", images, TestCommand.Diagnose(trained, network, data, split, 128))
                );
        double? Accuracy(Hybrid.Command.Split split) =>
            results.FirstOrDefault(result => result.Name == $"{split}")?.Diagnosis.Metrics.Accuracy;
        var row = new CompareRow(
            name,
            Accuracy(Hybrid.Command.Split.Val),
            Accuracy(Hybrid.Command.Split.Test),
            Models.Summarise(network.Plan).Params,
            file
        );
        return (row, new ReportedRun(name, data.Name, trained.Described, network.Plan, data.Train.Classes, results));
    }

    /// <summary>Beside the runs, and where runs would be if there is none.</summary>
    private static string? WriteReport(TrainRequest train, List<ReportedRun> runs, Output output)
    {
        if (runs.Count == 0)
            return null;
        var folder = Path.GetFullPath(train.Out.Length > 0 ? train.Out : RunFolder.DefaultRoot);
        var report = ReportFile.TryWrite(
            folder,
            output,
            path =>
            {
                ComparisonReport.Write(path, runs);
                return true;
            }
        );
        if (report is not null)
            output.Line(report);
        return report;
    }

    private static Table Table(IEnumerable<CompareRow> rows)
    {
        var table = new Table()
            .Border(TableBorder.Simple)
            .AddColumn("Model")
            .AddColumn(new TableColumn("Val accuracy").RightAligned())
            .AddColumn(new TableColumn("Test accuracy").RightAligned())
            .AddColumn(new TableColumn("Parameters").RightAligned());
        foreach (var row in rows)
            table.AddRow(row.Model, Share(row.ValAcc), Share(row.TestAcc), row.NumParams.ToString("N0"));
        return table;
    }

    private static string Share(double? accuracy) => accuracy is { } share ? Output.Percent(share) : "-";
}

/// <summary>The rows of the table, in the order of the models, and the report's path.</summary>
public sealed record CompareResult(IReadOnlyList<CompareRow> Models, string? Report);

/// <summary>One model of a comparison.</summary>
public sealed record CompareRow(string Model, double? ValAcc, double? TestAcc, long NumParams, string? Checkpoint);
