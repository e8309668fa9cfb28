using System.Text.Json.Nodes;
using Hybrid.Command;
using Hybrid.Host.Callbacks;
using Hybrid.Host.Checkpoints;
using Hybrid.Host.Runtime;

namespace Hybrid.Host.Commands;

/// <summary>What saves a run: its best epochs, its folder, its last state. Told of an event after all that watches, so that
/// what those remember is of the same moment.</summary>
/// <param name="memories">What the callbacks remember of the moment.</param>
internal sealed class RunSaving(
    TrainRequest request,
    RunFolder folder,
    RunSnapshot snapshot,
    Func<JsonObject> memories,
    Output output
) : IDisposable
{
    private ModelCheckpoint? _best;

    public ModelCheckpoint Best =>
        _best ??= new ModelCheckpoint(
            request.Monitor,
            request.Save.TopK,
            folder.Checkpoints,
            SaveBest,
            output.Warning,
            CheckpointFile.IsSound
        );

    /// <summary>In their order: the state counts on the best epochs' files.</summary>
    public IReadOnlyList<ICallback> Callbacks =>
        [
            Best,
            Callback.Of(KeepFolder),
            .. request.Save.Last ? [new StateCheckpoint(request.Save.Every, SaveState)] : Array.Empty<ICallback>(),
        ];

    /// <summary>A folder that has lost a part of it gets the run's state once more: nothing is lost that is known.</summary>
    /// <exception cref="WorkException">It has, or it is gone.</exception>
    public void CheckFolder()
    {
        if (folder.Removed() is not { } part)
            return;
        folder.Mend();
        var saved = request.Save.Last && !request.FastDevRun && WriteState();
        throw RunFolder.PartGone(
            part,
            then: saved ? $"; its state is saved, go on with: hybrid train --resume {folder.Root}" : ""
        );
    }

    /// <summary>Writes the state of this moment as the run's last.</summary>
    /// <returns>False where its loss is no number.</returns>
    public bool WriteState()
    {
        if (!snapshot.WriteState(folder.Last, memories()))
            return false;
        folder.Keep();
        return true;
    }

    public void Dispose() => _best?.Dispose();

    private void KeepFolder(TrainingEvent happened)
    {
        if (happened is not TrainingEvent.EpochEnded)
            return;
        CheckFolder();
        folder.Keep();
    }

    private void SaveBest(string path, EpochMetrics metrics)
    {
        CheckFolder();
        if (request.Save.FullState)
            snapshot.WriteState(path, memories());
        else
            snapshot.WriteWeights(path, metrics.Epoch);
    }

    private void SaveState()
    {
        CheckFolder();
        WriteState();
    }
}
