namespace Hybrid.Host.Checkpoints;

/// <summary>A run that can be taken up again.</summary>
/// <param name="Path">The file that its state was read from.</param>
public sealed record SavedRun(RunFolder Folder, string Path, Checkpoint File, RunState State)
{
    /// <summary>Finds a run by its folder or one above it, and reads its last state.</summary>
    /// <exception cref="Runtime.RequestException">There is none.</exception>
    /// <exception cref="Runtime.WorkException">The file is broken, or holds no state.</exception>
    public static SavedRun Find(string place)
    {
        var folder = RunFolder.Find(place);
        AtomicFile.Sweep(folder.Checkpoints);
        var file = CheckpointFile.Read(folder.Last);
        return new SavedRun(folder, folder.Last, file, RunState.Read(folder.Last, file));
    }
}
