using System.Globalization;
using System.Text.Json.Nodes;
using Hybrid.Command;
using Hybrid.Host.Callbacks;
using Hybrid.Host.Runtime;

namespace Hybrid.Host.Checkpoints;

/// <summary>What is written of a run between two steps, and put back: its weights, or all that it takes to go on.
/// </summary>
public sealed class RunSnapshot(TrainRequest request, Fit fit, JsonObject hyperParameters, TrainedOn trainedOn)
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
    /// <param name="memories">What the callbacks remember of that place, by their names.</param>
    /// <returns>Whether it was written.</returns>
    public bool WriteState(string path, JsonObject memories)
    {
        var position = fit.Position;
        if (!double.IsFinite(position.Sums.Loss))
            return false;
        var state = new RunState(
            request.Arguments,
            Environment.CurrentDirectory,
            TorchSharp.torch.get_num_threads(),
            RunPosition.Of(position),
            memories,
            trainedOn.Set
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
        return true;
    }

    /// <summary>Puts back what <see cref="WriteState"/> wrote, but for the place, which a run begins with.</summary>
    /// <param name="needed">Callbacks without whose memory the run is another one; what the others never stored is left.
    /// </param>
    /// <exception cref="WorkException">The state is not one of this run.</exception>
    public void Restore(SavedRun saved, IEnumerable<IStateful> callbacks, Func<IStateful, bool> needed)
    {
        var (moments, weights) = TrainedModel.Divide(saved.Checkpoint.Tensors);
        ModuleTensors.Write(fit.Network, weights, saved.Source);
        var views = fit.OptimizerTensors;
        ModuleTensors.Write(views, moments, saved.Source);
        foreach (var (_, view) in views)
            view.Dispose();
        foreach (var callback in callbacks)
            if (saved.State.Callbacks[callback.Name] is JsonObject memory)
                Restore(callback, memory, saved.Source);
            else if (needed(callback))
                throw new WorkException($"'{saved.Source}': its state of a run lacks what {callback.Name} remembers");
    }

    /// <summary>Whatever a callback cannot make sense of came from the file.</summary>
    private static void Restore(IStateful callback, JsonObject memory, string file)
    {
        try
        {
            callback.Restore(memory);
        }
        catch (Exception error)
            when (error
                    is BrokenFileException
                        or InvalidOperationException
                        or FormatException
                        or OverflowException
                        or NullReferenceException
                        or ArgumentException
                        or System.Text.Json.JsonException
            )
        {
            throw new WorkException(
                $"'{file}': what {callback.Name} remembered is broken: {Quoted.Plain(error.Message)}",
                error
            );
        }
    }

    private static Dictionary<string, string> Facts(int epoch, long steps) =>
        new()
        {
            ["epoch"] = epoch.ToString(CultureInfo.InvariantCulture),
            ["global_step"] = steps.ToString(CultureInfo.InvariantCulture),
        };
}
