using System.Globalization;
using System.Text.Json.Nodes;
using Hybrid.Command;
using Hybrid.Host.Callbacks;
using Hybrid.Host.Data;

namespace Hybrid.Host.Checkpoints;

/// <summary>What is written of a run between two steps, and put back: its weights, or all that it takes to go on.
/// </summary>
public sealed class RunSnapshot(
    TrainRequest request,
    Fit fit,
    JsonObject hyperParameters,
    TrainedOn trainedOn,
    DataFacts data
)
{
    /// <summary>Writes the weights alone.</summary>
    /// <param name="epoch">The epoch that they are of.</param>
    public void WriteWeights(string path, int epoch) =>
        TrainedModel.Write(
            path,
            ModuleTensors.Read(fit.Network),
            hyperParameters,
            trainedOn,
            Facts(epoch, fit.Position.Step)
        );

    /// <summary>
    /// Writes the weights, what the optimiser and the callbacks remember, and the place in the run. A state whose loss
    /// is no number is good for nothing: it is not written.
    /// </summary>
    public void WriteState(string path, IEnumerable<IStateful> callbacks)
    {
        var position = fit.Position;
        if (!double.IsFinite(position.Sums.Loss))
            return;
        var state = new RunState(
            request.Arguments,
            Environment.CurrentDirectory,
            TorchSharp.torch.get_num_threads(),
            RunPosition.Of(position),
            new JsonObject(callbacks.Select(it => KeyValuePair.Create<string, JsonNode?>(it.Name, it.Save()))),
            data
        );
        var moments = fit.OptimizerTensors.Select(pair =>
        {
            using var view = pair.Item2;
            return ModuleTensors.Read(RunState.OptimizerPrefix + pair.Item1, view);
        });
        TrainedModel.Write(
            path,
            [.. ModuleTensors.Read(fit.Network), .. moments],
            hyperParameters,
            trainedOn,
            [.. Facts(position.Epoch, position.Step), state.ToMetadata()]
        );
    }

    /// <summary>Puts back what <see cref="WriteState"/> wrote, but for the place, which a run begins with.</summary>
    public void Restore(SavedRun saved, IEnumerable<IStateful> callbacks)
    {
        var (moments, weights) = TrainedModel.Divide(saved.Checkpoint.Tensors);
        ModuleTensors.Write(fit.Network, weights, saved.Source);
        var views = fit.OptimizerTensors;
        ModuleTensors.Write(views, moments, saved.Source);
        foreach (var (_, view) in views)
            view.Dispose();
        foreach (var callback in callbacks)
            if (saved.State.Callbacks[callback.Name] is JsonObject memory)
                callback.Restore(memory);
    }

    private static Dictionary<string, string> Facts(int epoch, long steps) =>
        new()
        {
            ["epoch"] = epoch.ToString(CultureInfo.InvariantCulture),
            ["global_step"] = steps.ToString(CultureInfo.InvariantCulture),
        };
}
