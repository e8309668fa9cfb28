using System.Text;
using Hybrid.Command;
using Hybrid.Host.Checkpoints;
using Hybrid.Host.Runtime;

namespace Hybrid.Host.Commands;

/// <summary><c>export</c>: writes a checkpoint in another format, or its network as a
/// diagram or as Python code, by the ending of the file to write.</summary>
public static class ExportCommand
{
    private const string Drawing = ".svg";
    private const string Onnx = ".onnx";
    private const string Python = ".py";
    private static readonly string[] Endings = [".safetensors", ".pt", ".ckpt", Onnx, Python, Drawing];

    public static int Run(ExportRequest request)
    {
        var output = new Output(request.Json);
        var ending = Path.GetExtension(request.To).ToLowerInvariant();
        if (!Endings.Contains(ending))
            throw new RequestException($"--to {request.To}: expected a file ending in {string.Join(", ", Endings)}");
        // What computes nothing loads none; a folder that is none is said all the same.
        if (!request.IsOnnx && request.Machine.Libtorch.Length > 0)
            LibtorchFolder.Find(request.Machine.Libtorch);
        var checkpoint = RunCheckpoint.Of(request.Checkpoint, output.Line);
        CheckpointFile.Spare("--to", request.To, checkpoint);
        var replaced = ReplacedFile.Check("--to", request.To, KindOf(ending));
        var trained = TrainedModel.Read(checkpoint, request.Model, output.Line);
        try
        {
            Write(trained, request, ending, output);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new WorkException($"'{request.To}' cannot be written: {error.Message}", error);
        }
        var tensors = ending is Drawing or Python ? 0 : trained.Tensors.Count;
        var what = ending switch
        {
            Drawing => "a diagram",
            Onnx => "an ONNX graph",
            Python => "PyTorch code, which takes the weights of an export to .pt,",
            _ => Counted.Of(tensors, "tensor"),
        };
        output.Line($"{trained.Model.Name}: {what} into {request.To}{ReplacedFile.Words(replaced)}");
        output.Result(new ExportResult(request.To, trained.Model.Name, tensors));
        return 0;
    }

    private static ReplacedKind KindOf(string ending) =>
        ending switch
        {
            Drawing => ReplacedKind.Drawing,
            Onnx => ReplacedKind.Onnx,
            Python => ReplacedKind.Code,
            _ => ReplacedKind.Checkpoint,
        };

    private static void Write(TrainedModel trained, ExportRequest request, string ending, Output output)
    {
        var target = request.To;
        switch (ending)
        {
            case ".pt":
                PyTorchArchiveWriter.WriteStateDict(target, trained.Tensors, trained.DescribedWithData);
                break;
            case ".ckpt":
                PyTorchArchiveWriter.WriteLightning(target, trained.Tensors, trained.DescribedWithData, 0, 0);
                break;
            case Onnx:
                WriteOnnx(trained, request, output);
                break;
            case Drawing:
                WriteText(target, Models.Diagram(Models.Plan(trained.Model, trained.Input)));
                break;
            case Python:
                var plan = Models.Plan(trained.Model, trained.Input);
                WriteText(target, Models.PyTorchCode(trained.Model, plan, trained.Classes, trained.Normalisation));
                break;
            default:
                trained.Write(target);
                break;
        }
    }

    private static void WriteText(string target, string text) =>
        AtomicFile.Write(target, stream => stream.Write(Encoding.UTF8.GetBytes(text)));

    private static void WriteOnnx(TrainedModel trained, ExportRequest request, Output output)
    {
        var plan = Models.Plan(trained.Model, trained.Input);
        var placement = Machine.Prepare(request.Machine);
        var options = request.Onnx;
        if (request.WithPreprocessing || request.SourceGiven)
        {
            var known = DataKnowledge.Of(trained, request.Data, request.SourceGiven, output);
            trained = trained with
            {
                Classes = request.SourceGiven ? known.Classes : trained.Classes,
                Normalisation = known.Normalisation,
            };
            if (request.WithPreprocessing)
                options = Models.WithPictures(options, known.Normalisation);
        }
        Models.CheckOnnx(trained.Model, plan, options);
        using var network = trained.Build(placement);
        var card = ModelCard.Of(trained, plan, request.WithPreprocessing);
        AtomicFile.Write(request.To, stream => Models.WriteOnnx(network, trained.Model.Name, options, card, stream));
    }
}

/// <summary>What was exported, of so many tensors of the checkpoint; a diagram and code are of none.</summary>
public sealed record ExportResult(string File, string Model, int Tensors);
