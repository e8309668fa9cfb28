using Hybrid.Host.Runtime;

namespace Hybrid.Host.Checkpoints;

/// <summary>Finds the folder of a run that was saved by what its user names.</summary>
internal static class RunSearch
{
    /// <summary>Finds a run that can be taken up again: the folder itself, or the run below it, directly or in a
    /// model's folder, that was saved last.</summary>
    /// <exception cref="RequestException">There is none.</exception>
    public static RunFolder Find(string place)
    {
        if (!NamedFolder.Exists(place))
            throw new RequestException($"--resume: there is no folder '{place}'");
        var folder = new DirectoryInfo(place);
        static IEnumerable<DirectoryInfo> Versions(DirectoryInfo root) =>
            root.EnumerateDirectories(RunFolder.Prefix + "*");
        var below = Versions(folder).Concat(folder.EnumerateDirectories().SelectMany(Versions));
        return below
                .Prepend(folder)
                .Select(candidate => RunFolder.OfSaved(candidate.FullName, place))
                .Where(run => File.Exists(run.Last))
                .MaxBy(run => File.GetLastWriteTimeUtc(run.Last))
            ?? throw new RequestException(
                $"--resume: '{place}' is no run that was saved: expected checkpoints/last.safetensors in it or in a folder {RunFolder.Prefix}N below"
            );
    }

    /// <summary>The run that one of whose checkpoints this is.</summary>
    /// <exception cref="RequestException">It lies in no run's folder.</exception>
    public static RunFolder Holding(string checkpoint)
    {
        var checkpoints = new FileInfo(checkpoint).Directory!;
        if (
            checkpoints is not { Name: "checkpoints", Parent: { } root }
            || !File.Exists(Path.Combine(root.FullName, "metrics.csv"))
        )
            throw new RequestException(
                $"--resume: '{checkpoint}' lies in no run: expected a folder {RunFolder.Prefix}N with its logs, and the file in checkpoints/ there"
            );
        return RunFolder.OfSaved(root.FullName, root.FullName);
    }
}
