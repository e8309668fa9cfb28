using Hybrid.Command;
using Hybrid.Host.Runtime;

namespace Hybrid.Host.Checkpoints;

/// <summary>A run that can be taken up again.</summary>
/// <param name="Folder">Held by this process.</param>
/// <param name="Source">The file that its state was read from.</param>
/// <param name="Latest">The run's last state, where that is another one.</param>
public sealed record SavedRun(RunFolder Folder, string Source, Checkpoint Checkpoint, RunState State, RunState? Latest)
    : IDisposable
{
    /// <summary>Finds a run by one of its checkpoints, its folder, or a folder above that, and reads the state: the
    /// checkpoint's, else the last.</summary>
    /// <exception cref="RequestException">There is none.</exception>
    /// <exception cref="WorkException">The file is broken, or holds no state.</exception>
    public static SavedRun Find(string place)
    {
        var folder = File.Exists(place) ? RunSearch.Holding(place) : RunSearch.Find(place);
        try
        {
            RegularFile.RefuseLink(folder.Checkpoints);
            // Before anything is read or swept away: another process may be at work here.
            folder.Hold();
            var path = File.Exists(place) ? Path.GetFullPath(place) : folder.Last;
            AtomicFile.Sweep(folder.Checkpoints);
            var (file, state) = Read(folder, path);
            return new SavedRun(folder, path, file, state, FindLatest(folder, path));
        }
        catch
        {
            folder.Dispose();
            throw;
        }
    }

    /// <summary>The checkpoint that <see cref="Find"/> would read.</summary>
    /// <exception cref="RequestException">There is none.</exception>
    public static string Locate(string place)
    {
        if (!File.Exists(place))
            return RunSearch.Find(place).Last;
        _ = RunSearch.Holding(place);
        return Path.GetFullPath(place);
    }

    public void Dispose() => Folder.Dispose();

    /// <summary>Whether the network and the recipe are read from their stored values: earlier versions have written down
    /// the command line alone.</summary>
    private bool HoldsValues => StoredFacts.Network(Checkpoint, Source) is not null;

    /// <summary>The recipe that the run was started with.</summary>
    /// <exception cref="WorkException">What the file holds cannot be one.</exception>
    public Recipe Recipe(TrainRequest request, Model model)
    {
        if (!HoldsValues)
            return Training.Recipe(request, model);
        try
        {
            return Training.Stored(Checkpoint.HyperParameters ?? []);
        }
        catch (RequestException error)
        {
            throw new WorkException($"'{Source}': {Quoted.Plain(error.Message.Split('\n')[0])}", error);
        }
    }

    /// <summary>A checkpoint and the state in it; where there is none to go on from, the message says what else is.</summary>
    private static (Checkpoint, RunState) Read(RunFolder folder, string path)
    {
        try
        {
            var file = CheckpointFile.Read(path);
            return (file, RunState.Read(path, file));
        }
        catch (Exception error) when (error is WorkException || error is RequestException && path == folder.Last)
        {
            throw new WorkException($"{error.Message}. {Instead(folder, path)}", error);
        }
    }

    /// <summary>What the run's other checkpoints, the latest first, are good for.</summary>
    private static string Instead(RunFolder folder, string broken)
    {
        var others = new DirectoryInfo(folder.Checkpoints)
            .EnumerateFiles("*.safetensors")
            .Where(file => file.FullName != Path.GetFullPath(broken) && CheckpointFile.IsSound(file.FullName))
            .OrderByDescending(file => file.LastWriteTimeUtc)
            .Select(file => file.FullName)
            .ToList();
        if (others.Find(HoldsState) is { } state)
            return $"Another checkpoint of the run can be gone on from: hybrid train --resume {state}";
        return others is [var weights, ..]
            ? $"Another checkpoint of the run has weights to start a new run from: hybrid train --init {weights}"
            : "No other checkpoint of the run can be read: start it anew";
    }

    private static bool HoldsState(string path)
    {
        try
        {
            RunState.Read(path, CheckpointFile.Read(path));
            return true;
        }
        catch (WorkException)
        {
            return false;
        }
    }

    /// <summary>The run's last state, where another one is gone back to: it knows which files came later.</summary>
    private static RunState? FindLatest(RunFolder folder, string source)
    {
        if (source == folder.Last || !File.Exists(folder.Last))
            return null;
        try
        {
            return RunState.Read(folder.Last, CheckpointFile.Read(folder.Last));
        }
        catch (WorkException)
        {
            // It may be what is gone back from.
            return null;
        }
    }

    /// <summary>What the run was started with, to be computed on a machine of which the folder says nothing.</summary>
    /// <exception cref="WorkException">The stored command line holds something that is not the run's.</exception>
    public TrainRequest Request(MachineRequest machine)
    {
        try
        {
            return CommandLine.Stored([.. State.Arguments], machine, HoldsValues);
        }
        catch (RequestException error)
        {
            var reason = Quoted.Plain(error.Message.Split('\n')[0]);
            throw new WorkException($"'{Source}': the command line that it stores is refused: {reason}", error);
        }
    }
}
