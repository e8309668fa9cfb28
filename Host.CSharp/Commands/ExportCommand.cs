using System.Text;
using Hybrid.Command;
using Hybrid.Host.Checkpoints;
using Hybrid.Host.Runtime;

namespace Hybrid.Host.Commands;

/// <summary><c>export</c>: writes a checkpoint in another format, or its network as a
/// diagram, by the ending of the file to write.</summary>
public static class ExportCommand
{
    private const string Drawing = ".svg";
    private static readonly string[] Endings = [".safetensors", ".pt", ".ckpt", Drawing];

    public static int Run(ExportRequest request)
    {
        var output = new Output(request.Json);
        var ending = Path.GetExtension(request.To).ToLowerInvariant();
        if (!Endings.Contains(ending))
            throw new RequestException($"--to {request.To}: expected a file ending in {string.Join(", ", Endings)}");
        var checkpoint = RunCheckpoint.Of(request.Checkpoint, output.Line);
        CheckpointFile.Spare("--to", request.To, checkpoint);
        var replaced = ReplacedFile.Check("--to", request.To, ending == Drawing);
        var trained = TrainedModel.Read(checkpoint, request.Model, output.Line);
        try
        {
            Write(trained, request.To, ending);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new WorkException($"'{request.To}' cannot be written: {error.Message}", error);
        }
        var tensors = ending == Drawing ? 0 : trained.Tensors.Count;
        var what = ending == Drawing ? "a diagram" : Counted.Of(tensors, "tensor");
        output.Line($"{trained.Model.Name}: {what} into {request.To}{ReplacedFile.Words(replaced)}");
        output.Result(new ExportResult(request.To, trained.Model.Name, tensors));
        return 0;
    }

    private static void Write(TrainedModel trained, string target, string ending)
    {
        switch (ending)
        {
            case ".pt":
                PyTorchArchiveWriter.WriteStateDict(target, trained.Tensors, trained.DescribedWithData);
                break;
            case ".ckpt":
                PyTorchArchiveWriter.WriteLightning(target, trained.Tensors, trained.DescribedWithData, 0, 0);
                break;
            case Drawing:
                var diagram = Models.Diagram(Models.Plan(trained.Model, trained.Input));
                AtomicFile.Write(target, stream => stream.Write(Encoding.UTF8.GetBytes(diagram)));
                break;
            default:
                trained.Write(target);
                break;
        }
    }
}

/// <summary>What was exported; a diagram holds no tensors.</summary>
public sealed record ExportResult(string File, string Model, int Tensors);
