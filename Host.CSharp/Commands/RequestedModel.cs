using Hybrid.Command;
using Hybrid.Host.Checkpoints;
using Hybrid.Host.Data;
using Hybrid.Host.Runtime;

namespace Hybrid.Host.Commands;

/// <summary>The network that is asked for, for the data that it is to learn from.</summary>
internal static class RequestedModel
{
    /// <summary>The recipe that a request comes to on its data.</summary>
    public static Recipe Recipe(TrainRequest request, LoadedData data) => Training.Recipe(request, Of(request, data));

    /// <summary>The same request with batches that suit the data, where it names none.</summary>
    public static TrainRequest Fitted(TrainRequest request, LoadedData data) =>
        Requests.Fitted(request, Recipe(request, data).BatchSize, data.Train.Count);

    /// <summary>The model of a request, for the classes of its data; of a run that is taken up again the network that it
    /// has saved.</summary>
    /// <exception cref="RequestException">It is for another number of classes.</exception>
    public static Model Of(TrainRequest request, LoadedData data, SavedRun? saved = null)
    {
        var classes = data.Train.Classes.Length;
        var model = saved is null
            ? Models.Find(request.Model, classes)
            : TrainedModel.RestoreModel(saved.Checkpoint, saved.Source, Requests.Unnamed);
        return model.Classes == classes
            ? model
            : throw new RequestException(
                $"num_classes is {model.Classes}, but {data.Name} has {Counted.Of(classes, "class", "classes")}: leave num_classes out"
            );
    }

    /// <summary>Refuses to wait for what is never measured.</summary>
    public static void Check(MonitorRequest monitor, LoadedData data)
    {
        if (monitor.Patience > 0 && monitor.NeedsValidation && data.Val.Count == 0)
            throw new RequestException(
                $"--patience waits for a better {monitor.Metric}, but {data.Name} has no images to validate on: "
                    + "--monitor train_loss does without"
            );
    }

    /// <summary>Begins with the weights of a checkpoint, and says what of it was taken.</summary>
    public static void Initialise(TorchModule network, TrainRequest request, Output output)
    {
        var checkpoint = RunCheckpoint.Of(request.Init, output.Line);
        foreach (var line in FineTuning.Start(network, checkpoint, request.Model.Weights).Lines(checkpoint))
            output.Line(line);
    }
}
