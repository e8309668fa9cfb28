using System.Text.Json.Nodes;
using Hybrid.Command;
using Hybrid.Host.Callbacks;
using Hybrid.Host.Checkpoints;
using Hybrid.Host.Data;
using Hybrid.Host.Runtime;

namespace Hybrid.Host.Commands;

/// <summary>Puts a run back to where it was saved.</summary>
internal static class ResumedRun
{
    /// <summary>Its weights, its moments and what its callbacks remember; what came later is undone.</summary>
    /// <param name="judges">Who say which epoch is the best: they begin anew where its metric is of other images.</param>
    /// <param name="own">The caller's callbacks, which the run may not have had before.</param>
    /// <exception cref="WorkException">The state is not one of this run.</exception>
    public static void Restore(
        SavedRun saved,
        TrainRequest request,
        Recipe recipe,
        LoadedData data,
        RunFolder folder,
        RunSnapshot snapshot,
        TrainingWatch watch,
        (ModelCheckpoint Best, EarlyStopping Early) judges,
        IReadOnlyList<ICallback> own,
        Output output
    )
    {
        var (best, early) = judges;
        // Before what came later is undone: a run that is cut off meanwhile is taken up from here again.
        if (request.Save.Last && saved.Source != folder.Last)
            folder.ReturnTo(saved.Source);
        // A caller's callback may be one that the run did not have before.
        IStateful[] anew = ResumedData.BeginsAnew(saved, request.Monitor, recipe, data) ? [best, early] : [];
        if (anew.Length > 0)
            output.Line(
                $"{request.Monitor.Metric} is of other images now: the best epoch is looked for anew, and the checkpoints of the "
                    + "best so far are left as they are"
            );
        snapshot.Restore(saved, watch.Stateful.Except(anew), it => !own.Contains(it as ICallback));
        if (
            saved.Latest?.Callbacks[best.Name] is JsonObject later
            && saved.State.Callbacks[best.Name] is JsonObject now
        )
            Undo(best, later, now, saved.Source);
        var threads = TorchSharp.torch.get_num_threads();
        if (saved.State.Threads != threads)
            output.Line(
                $"The run was started with {Counted.Of(saved.State.Threads, "thread")} and goes on with {threads}: its last digits will differ "
                    + $"(--threads {saved.State.Threads} keeps them)."
            );
    }

    private static void Undo(ModelCheckpoint best, JsonObject later, JsonObject now, string file)
    {
        try
        {
            best.Undo(later, now);
        }
        catch (BrokenFileException broken)
        {
            throw new WorkException($"'{file}': what {best.Name} remembered is broken: {broken.Message}", broken);
        }
    }
}
