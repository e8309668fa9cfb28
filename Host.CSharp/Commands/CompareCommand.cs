using Hybrid.Command;
using Hybrid.Host.Checkpoints;
using Hybrid.Host.Data;
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
        if (request.Checkpoints.Length > 0 && !Directory.Exists(request.Checkpoints))
            throw new RequestException($"--checkpoints {request.Checkpoints}: there is no such folder");
        var placement = Machine.Prepare(train.Machine);
        using var data = new LoadedData(train.Data, output);
        var rows = new List<CompareRow>();
        foreach (var name in request.Models)
        {
            var file = Stored(request.Checkpoints, name);
            rows.Add(file is null ? Train(request, name, data, placement, output) : Test(file, name, data, placement));
        }

        output.People.Write(Table(rows));
        output.Result(new CompareResult(rows));
        return 0;
    }

    private static string? Stored(string folder, string name) =>
        folder.Length == 0
            ? null
            : Endings.Select(ending => Path.Combine(folder, name + ending)).FirstOrDefault(File.Exists);

    private static CompareRow Train(
        CompareRequest request,
        string name,
        LoadedData data,
        Placement placement,
        Output output
    )
    {
        var result = TrainCommand.Run(Requests.WithModel(request.Train, name), data, placement, output);
        return new CompareRow(name, result.ValAcc, result.TestAcc, result.NumParams, result.BestCheckpoint);
    }

    private static CompareRow Test(string file, string name, LoadedData data, Placement placement)
    {
        var trained = TrainedModel.Read(file, Requests.Unnamed);
        if (trained.Model.Name != name)
            throw new RequestException($"'{file}' holds a {trained.Model.Name}, not a {name}");
        using var network = trained.Build(placement);
        double? Accuracy(Hybrid.Command.Split split) =>
            data.Of(split).Count == 0
                ? null
                : TestCommand.Diagnose(trained, network, data, split, 128).Metrics.Accuracy;
        return new CompareRow(
            name,
            Accuracy(Hybrid.Command.Split.Val),
            Accuracy(Hybrid.Command.Split.Test),
            Models.Summarise(network.Plan).Params,
            file
        );
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

/// <summary>The rows of the table, in the order of the models.</summary>
public sealed record CompareResult(IReadOnlyList<CompareRow> Models);

/// <summary>One model of a comparison.</summary>
public sealed record CompareRow(string Model, double? ValAcc, double? TestAcc, long NumParams, string? Checkpoint);
