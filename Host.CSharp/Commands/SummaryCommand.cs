using Hybrid.Command;
using Hybrid.Host.Checkpoints;
using Hybrid.Host.Runtime;
using Spectre.Console;

namespace Hybrid.Host.Commands;

/// <summary><c>summary</c>: a network in numbers. libtorch is not even loaded.</summary>
public static class SummaryCommand
{
    public static int Run(SummaryRequest request)
    {
        var output = new Output(request.Json);
        var (model, input) = Described(request, output);
        var summary = Models.Summarise(Models.Plan(model, input));
        output.People.Write(Table(model, summary));
        output.Line(
            $"{model.Name}: {Counted.Of(summary.Params, "parameter")}, {summary.Macs:N0} multiply-adds an image, "
                + $"{summary.Input} to {summary.Output}"
        );
        output.Result(
            new SummaryResult(
                model.Name,
                summary.Params,
                summary.Macs,
                Sides(summary.Input),
                Sides(summary.Output),
                [
                    .. summary.Rows.Select(row => new LayerResult(
                        row.Path,
                        row.Type,
                        Sides(row.In),
                        Sides(row.Out),
                        row.Params,
                        row.Macs
                    )),
                ]
            )
        );
        return 0;
    }

    private static (Model Model, Shape Input) Described(SummaryRequest request, Output output)
    {
        if (request.Checkpoint.Length == 0)
            return (Models.Find(request.Model, 0), request.Input);
        var trained = TrainedModel.Read(RunCheckpoint.Of(request.Checkpoint, output.Line), request.Model, output.Line);
        return (trained.Model, trained.Input);
    }

    private static Table Table(Model model, Summary summary)
    {
        var table = new Table()
            .Border(TableBorder.Simple)
            .AddColumn("Layer")
            .AddColumn("Type")
            .AddColumn("Input")
            .AddColumn("Output")
            .AddColumn(new TableColumn("Parameters").RightAligned())
            .AddColumn(new TableColumn("Multiply-adds").RightAligned());
        foreach (var row in summary.Rows)
            table.AddRow(
                Markup.Escape(row.Path),
                row.Type,
                row.In.ToString()!,
                row.Out.ToString()!,
                Count(row.Params),
                Count(row.Macs)
            );
        return table;
    }

    private static string Count(long number) => number == 0 ? "" : number.ToString("N0");

    private static int[] Sides(Shape shape) =>
        shape switch
        {
            Shape.Image image => [image.channels, image.height, image.width],
            Shape.Features features => [features.count],
            _ => [],
        };
}

/// <summary>A network in numbers; shapes without the batch.</summary>
public sealed record SummaryResult(
    string Model,
    long NumParams,
    long Macs,
    int[] Input,
    int[] Output,
    IReadOnlyList<LayerResult> Layers
);

/// <summary>One layer of a <see cref="SummaryResult"/>.</summary>
public sealed record LayerResult(string Path, string Type, int[] In, int[] Out, long Params, long Macs);
