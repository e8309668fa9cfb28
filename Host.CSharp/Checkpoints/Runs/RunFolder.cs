using System.Globalization;
using System.Text.Json.Nodes;
using Hybrid.Command;
using Hybrid.Host.Logs;
using Hybrid.Host.Runtime;

namespace Hybrid.Host.Checkpoints;

/// <summary>
/// The folder of one run, <c>ROOT/version_N</c>, laid out as Lightning's users know it. Gone again if the run came to
/// nothing; one that holds a checkpoint stays, whatever happened.
/// </summary>
public sealed class RunFolder : IDisposable
{
    /// <summary>Where runs lie that nobody named a place for.</summary>
    public const string DefaultRoot = "runs";

    /// <summary>Before a run's number.</summary>
    internal const string Prefix = "version_";
    private const string HyperParameters = "hparams.yaml";
    private const string ReportName = "report.html";
    private const int MostTries = 1000;

    /// <summary>Milliseconds in which a folder is removed that is being removed.</summary>
    private const int Moment = 200;

    private readonly FreshFolders _parents;
    private RunLock? _lock;
    private bool _kept;
    private bool _fresh;
    private bool _worthless;

    private RunFolder(string root, FreshFolders parents) => (Root, _parents) = (root, parents);

    public string Root { get; }

    public string Checkpoints => Path.Combine(Root, "checkpoints");

    /// <summary>The whole state of the run, from which it can be taken up again.</summary>
    public string Last => Path.Combine(Checkpoints, "last.safetensors");

    public string Metrics => Path.Combine(Root, "metrics.csv");

    public string Epochs => Path.Combine(Root, "epochs.csv");

    /// <summary>The options that repeat the run.</summary>
    public string Settings => Path.Combine(Root, "run.yaml");

    /// <summary>Makes the next version: one above the highest that is there.</summary>
    /// <exception cref="RequestException">Nothing can be written there.</exception>
    public static RunFolder Create(string root)
    {
        PathLength.Check("--out", root);
        try
        {
            var parents = FreshFolders.Before(root);
            var parent = Directory.CreateDirectory(root);
            var next = parent.EnumerateDirectories(Prefix + "*").Select(Version).DefaultIfEmpty(-1).Max() + 1;
            // Two runs may start at once: whoever makes the marker file in a folder first owns it.
            for (var tries = 0; !TryClaim(Path.Combine(parent.FullName, Prefix + next)); tries++, next++)
                if (tries >= MostTries)
                    throw new IOException($"{MostTries} folders in turn were taken by other runs");
            var folder = new RunFolder(Path.Combine(parent.FullName, Prefix + next), parents);
            folder._fresh = true;
            folder.Hold();
            Directory.CreateDirectory(folder.Checkpoints);
            return folder;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new RequestException($"--out {root}: no run can be written there: {error.Message}");
        }
    }

    /// <summary>A folder for a run that leaves nothing behind.</summary>
    public static RunFolder Passing()
    {
        var folder = Create(Path.Combine(Path.GetTempPath(), $"hybrid-{Guid.NewGuid():N}"));
        folder._worthless = true;
        return folder;
    }

    /// <summary>Makes another checkpoint of the run its last state.</summary>
    public void ReturnTo(string checkpoint)
    {
        using var source = File.OpenRead(checkpoint);
        AtomicFile.Write(Last, source.CopyTo, makeFolder: false);
    }

    /// <summary>Writes what decides the run as <c>hparams.yaml</c>.</summary>
    public void WriteHyperParameters(JsonObject hyperParameters, string data, DataRequest request) =>
        HyperParameterFile.Write(Path.Combine(Root, HyperParameters), hyperParameters, data, request);

    /// <summary>The folder of a run that was saved, which stays.</summary>
    /// <param name="place">What was named to find it by.</param>
    internal static RunFolder OfSaved(string root, string place) =>
        new(root, FreshFolders.Before(place)) { _kept = true };

    /// <summary>Whether the run's hyperparameters lie here.</summary>
    /// <exception cref="WorkException">A link does.</exception>
    public bool HoldsHyperParameters
    {
        get
        {
            RegularFile.RefuseLink(Path.Combine(Root, HyperParameters));
            return File.Exists(Path.Combine(Root, HyperParameters));
        }
    }

    /// <summary>The run has something to show: its folder stays.</summary>
    public void Keep() => _kept = true;

    /// <summary>What this run has saved leads nowhere: its loss stopped being a number before an epoch was over. Unless an earlier process
    /// began the run, its folder goes.</summary>
    public void Discard() => _worthless = _fresh;

    /// <summary>From now on no other process writes here.</summary>
    /// <exception cref="RequestException">One does already.</exception>
    public void Hold() => _lock ??= RunLock.Take(Root);

    /// <summary>Names of files that a process had begun here when it was killed, and that no saved state knows of.</summary>
    public IReadOnlyList<string> LeftBehind => _lock?.LeftBehind ?? [];

    /// <summary>Names that a lock left here which does not prove that its process began those files.</summary>
    public IReadOnlyList<string> Doubtful => _lock?.Doubtful ?? [];

    /// <summary>A file is begun here that no saved state knows of yet.</summary>
    public void Note(string file) => _lock?.Note(Path.GetFileName(file));

    /// <summary>To be asked before anything is saved: what of the folder somebody has removed; null where it is as it was.
    /// </summary>
    /// <exception cref="WorkException">All of it was removed or moved, or was made anew by somebody else.</exception>
    public string? Removed()
    {
        if (IsWhole)
            return null;
        // What is just being removed is gone a moment later: until then nothing is to be put into it.
        Thread.Sleep(Moment);
        if (IsGone)
            throw Gone(null);
        return !File.Exists(Metrics) ? Metrics
            : !Directory.Exists(Checkpoints) ? Checkpoints
            : null;
    }

    /// <summary>Puts the folder of the checkpoints back.</summary>
    public void Mend() => Directory.CreateDirectory(Checkpoints);

    /// <summary>Does what a run does in its folder. Whatever cannot be read or written there because the folder is gone ends
    /// with the words of <see cref="Removed"/>: it may vanish between any two files.</summary>
    /// <exception cref="WorkException">The folder was removed, moved, or made anew by somebody else.</exception>
    public T Within<T>(Func<T> work)
    {
        try
        {
            return work();
        }
        catch (Exception error) when (IsOfFiles(error) && !IsWhole)
        {
            throw Removed() is { } part ? PartGone(part, error) : Gone(error);
        }
    }

    /// <summary>Never fails: the folder may vanish meanwhile.</summary>
    public void Dispose()
    {
        var stays = !_worthless && (_kept || HoldsCheckpoint);
        if (!stays)
            RemoveOwn();
        _lock?.Dispose();
        RemoveIfEmpty(Checkpoints);
        if (stays)
            return;
        RemoveIfEmpty(Root);
        Leftover.Try(_parents.RemoveEmpty);
    }

    private bool IsWhole => File.Exists(Metrics) && Directory.Exists(Checkpoints) && _lock is not { IsLost: true };

    private bool IsGone => !File.Exists(Metrics) && !Directory.Exists(Checkpoints) || _lock is { IsLost: true };

    /// <summary>What a run is told whose folder has lost a part of it.</summary>
    public static WorkException PartGone(string part, Exception? cause = null, string then = "") =>
        new($"'{part}' was removed while the run went on: it ends here{then}", cause);

    private WorkException Gone(Exception? cause) =>
        new($"the run's folder '{Root}' was removed or moved while the run went on: it ends here", cause);

    private static bool IsOfFiles(Exception error) =>
        error is IOException or UnauthorizedAccessException
        || error is WorkException { InnerException: IOException or UnauthorizedAccessException };

    private bool HoldsCheckpoint => Files(Checkpoints, "*.safetensors").Count > 0;

    /// <summary>Removes what a run writes, and nothing that somebody else has put beside it.</summary>
    private void RemoveOwn()
    {
        foreach (var name in new[] { HyperParameters, "run.yaml", "metrics.csv", "epochs.csv", ReportName })
            Leftover.Delete(Path.Combine(Root, name));
        Leftover.Try(() =>
        {
            foreach (var log in EventFile.In(Root).ToList())
                log.Delete();
        });
        Leftover.Try(() => AtomicFile.Sweep(Checkpoints));
        if (_worthless)
            foreach (var file in Files(Checkpoints, "*.safetensors"))
                Leftover.Delete(file);
    }

    /// <summary>None where there is no such folder.</summary>
    private static IReadOnlyList<string> Files(string folder, string pattern)
    {
        try
        {
            return Directory.GetFiles(folder, pattern);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    private static void RemoveIfEmpty(string folder) =>
        Leftover.Try(() =>
        {
            if (!Directory.EnumerateFileSystemEntries(folder).Any())
                Directory.Delete(folder);
        });

    private static int Version(DirectoryInfo folder) =>
        int.TryParse(folder.Name.AsSpan(Prefix.Length), NumberStyles.None, CultureInfo.InvariantCulture, out var n)
            ? n
            : -1;

    private static bool TryClaim(string folder)
    {
        Directory.CreateDirectory(folder);
        var path = Path.Combine(folder, HyperParameters);
        try
        {
            using var marker = new FileStream(path, FileMode.CreateNew);
            return true;
        }
        catch (IOException) when (File.Exists(path))
        {
            return false;
        }
    }
}
