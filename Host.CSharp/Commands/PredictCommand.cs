using System.Globalization;
using Hybrid.Command;
using Hybrid.Host.Checkpoints;
using Hybrid.Host.Data;
using Hybrid.Host.Runtime;
using Spectre.Console;

namespace Hybrid.Host.Commands;

/// <summary><c>predict</c>: the most probable classes of picture files.</summary>
public static class PredictCommand
{
    // Read before the first of them is computed: some batches, so that all cores have something to decode.
    private const int BatchesAtOnce = 16;

    // What they may take together, decoded.
    private const long MaxPixelBytes = 1L << 28;

    public static int Run(PredictRequest request)
    {
        var csvToStdout = request.Csv == "-";
        var output = new Output(request.Json || csvToStdout);
        var files = PictureSearch.Find(request.Files, output.Warning);
        var checkpoint = RunCheckpoint.Of(request.Checkpoint, output.Line);
        CheckpointFile.Spare("--csv", request.Csv, [checkpoint, .. files]);
        var replaced = request.Csv is not ("" or "-") && ReplacedFile.CheckTable("--csv", request.Csv);
        var trained = TrainedModel.Read(checkpoint, request.Model, output.Line);
        if (trained.Input is not Shape.Image { channels: ImageSet.Channels } input)
            throw new RequestException($"'{trained.File}' reads inputs of {trained.Input}, not pictures");
        var most = MaxPixelBytes / ImageSet.Channels / input.height / input.width;
        string[][] chunks =
        [
            .. files.Chunk((int)Math.Clamp((long)request.BatchSize * BatchesAtOnce, 1, Math.Max(most, 1))),
        ];
        Pictures Read(string[] some) =>
            PictureReading.Read("Reading pictures", some, input.height, input.width, output);
        // One picture takes as long to decode for the first time as libtorch's files take to load.
        var first = Task.Run(() => Read(chunks[0]));
        var placement = Machine.Prepare(request.Machine);
        var pictures = first.GetAwaiter().GetResult();
        var knowledge = DataKnowledge.Of(trained, request.Data, request.SourceGiven, output);
        using var network = trained.Build(placement);
        var rows = new List<PredictedFile>();
        var remarks = new List<(string, PictureRemark)>();
        foreach (var (place, some) in chunks.Index())
        {
            var read = place == 0 ? pictures : Read(some);
            remarks.AddRange(read.Remarks.Select(remark => (some[remark.File], remark)));
            rows.AddRange(Predict(network, some, read, input, knowledge, request));
        }
        PictureReading.Warn(output, remarks, files.Count);
        if (rows.Any(row => row.Probabilities.Any(double.IsNaN)))
            throw new WorkException($"'{trained.File}' predicts no numbers: its weights overflow");
        if (rows.Count == 0)
            throw new WorkException(
                files.Count == 1
                    ? $"'{files[0]}' cannot be read as a picture"
                    : $"none of the {files.Count:N0} files can be read as a picture"
            );

        if (request.Csv.Length == 0)
            output.Unbroken(Table(rows));
        else
            PredictionCsv.Write(request.Csv, rows);
        if (request.Csv.Length > 0 && !csvToStdout)
            output.Line(
                $"{rows.Count:N0} of {Counted.Of(files.Count, "file")} in {request.Csv}{ReplacedFile.Words(replaced)}"
            );
        if (!csvToStdout)
            output.Result(new PredictResult(rows));
        return 0;
    }

    private static IEnumerable<PredictedFile> Predict(
        TorchModule network,
        string[] files,
        Pictures pictures,
        Shape.Image input,
        DataKnowledge knowledge,
        PredictRequest request
    )
    {
        if (pictures.Kept.Length == 0)
            return [];
        using var images = Datasets.OfBytes(
            pictures.Pixels,
            new long[pictures.Kept.Length],
            input.height,
            input.width,
            [.. knowledge.Classes]
        );
        var predictions = OutOfMemory.Explain(
            network,
            request.BatchSize,
            training: false,
            () =>
                Training.Predict(
                    network,
                    images,
                    knowledge.Normalisation,
                    request.Top,
                    request.BatchSize,
                    Interrupt.Token
                )
        );
        return pictures
            .Kept.Zip(predictions)
            .Select(it => new PredictedFile(
                files[it.First],
                [.. it.Second.Classes.Select(place => knowledge.Classes[place])],
                it.Second.Probabilities
            ));
    }

    private static Table Table(IReadOnlyList<PredictedFile> rows)
    {
        var table = new Table().Border(TableBorder.Simple).AddColumn("File");
        for (var rank = 1; rank <= rows[0].Classes.Count; rank++)
            table.AddColumn(rank.ToString(CultureInfo.InvariantCulture));
        foreach (var row in rows)
            table.AddRow([
                Shown(row.File),
                .. row.Classes.Zip(row.Probabilities, (name, p) => $"{Shown(name)} {Output.Percent(p)}"),
            ]);
        return table;
    }

    /// <summary>A name on one line of its cell.</summary>
    private static string Shown(string name) => Markup.Escape(Printable.Line(name));
}

/// <summary>The files that could be read, in the order in which they were found.</summary>
public sealed record PredictResult(IReadOnlyList<PredictedFile> Predictions);

/// <summary>The most probable classes of one picture, best first, with their probabilities from 0 to 1.</summary>
public sealed record PredictedFile(string File, IReadOnlyList<string> Classes, IReadOnlyList<double> Probabilities);
