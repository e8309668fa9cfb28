using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Hybrid.Command;
using Hybrid.Host.Runtime;
using YamlDotNet.Serialization;

namespace Hybrid.Host.Checkpoints;

/// <summary>
/// The folder of one run, <c>ROOT/version_N</c>, laid out as Lightning's users know it. Gone again if the run came to
/// nothing.
/// </summary>
public sealed class RunFolder : IDisposable
{
    /// <summary>Where runs lie that nobody named a place for.</summary>
    public const string DefaultRoot = "runs";

    private const string Prefix = "version_";
    private readonly FreshFolders _parents;
    private bool _kept;
    private bool _passing;

    private RunFolder(string root, FreshFolders parents) => (Root, _parents) = (root, parents);

    public string Root { get; }

    public string Checkpoints => Path.Combine(Root, "checkpoints");

    /// <summary>The whole state of the run, from which it can be taken up again.</summary>
    public string Last => Path.Combine(Checkpoints, "last.safetensors");

    public string Metrics => Path.Combine(Root, "metrics.csv");

    public string Epochs => Path.Combine(Root, "epochs.csv");

    /// <summary>Makes the next version: one above the highest that is there.</summary>
    /// <exception cref="RequestException">Nothing can be written there.</exception>
    public static RunFolder Create(string root)
    {
        try
        {
            var parents = FreshFolders.Before(root);
            var parent = Directory.CreateDirectory(root);
            var next = parent.EnumerateDirectories(Prefix + "*").Select(Version).DefaultIfEmpty(-1).Max() + 1;
            // Two runs may start at once: whoever makes the marker file in a folder first owns it.
            while (!TryClaim(Path.Combine(parent.FullName, Prefix + next)))
                next++;
            return new RunFolder(Path.Combine(parent.FullName, Prefix + next), parents);
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
        folder._passing = true;
        return folder;
    }

    /// <summary>Finds a run that can be taken up again: the folder itself, or the run below it, directly or in a
    /// model's folder, that was saved last.</summary>
    /// <exception cref="RequestException">There is none.</exception>
    public static RunFolder Find(string place)
    {
        var folder = new DirectoryInfo(place);
        if (!folder.Exists)
            throw new RequestException($"--resume: there is no folder '{place}'");
        static IEnumerable<DirectoryInfo> Versions(DirectoryInfo root) => root.EnumerateDirectories(Prefix + "*");
        var below = Versions(folder).Concat(folder.EnumerateDirectories().SelectMany(Versions));
        return below
                .Prepend(folder)
                .Select(candidate => new RunFolder(candidate.FullName, FreshFolders.Before(place)) { _kept = true })
                .Where(run => File.Exists(run.Last))
                .MaxBy(run => File.GetLastWriteTimeUtc(run.Last))
            ?? throw new RequestException(
                $"--resume: '{place}' is no run that was saved: expected checkpoints/last.safetensors in it or in a folder {Prefix}N below"
            );
    }

    /// <summary>The run that one of whose checkpoints this is.</summary>
    /// <exception cref="RequestException">It lies in no run's folder.</exception>
    public static RunFolder Around(string checkpoint)
    {
        var checkpoints = new FileInfo(checkpoint).Directory!;
        if (
            checkpoints is not { Name: "checkpoints", Parent: { } root }
            || !File.Exists(Path.Combine(root.FullName, "metrics.csv"))
        )
            throw new RequestException(
                $"--resume: '{checkpoint}' lies in no run: expected a folder {Prefix}N with its logs, and the file in checkpoints/ there"
            );
        return new RunFolder(root.FullName, FreshFolders.Before(root.FullName)) { _kept = true };
    }

    /// <summary>Makes another checkpoint of the run its last state.</summary>
    public void ReturnTo(string checkpoint)
    {
        using var source = File.OpenRead(checkpoint);
        AtomicFile.Write(Last, source.CopyTo);
    }

    /// <summary>Writes what decides the run as <c>hparams.yaml</c>.</summary>
    public void WriteHyperParameters(JsonObject hyperParameters, string data, DataRequest request)
    {
        var all = (JsonObject)hyperParameters.DeepClone();
        all["data"] = data;
        all["split_seed"] = request.SplitSeed;
        if (request.ValSize is { } valSize)
            all["val_size"] = valSize;
        foreach (
            var (key, limit) in new[]
            {
                ("limit_train", request.LimitTrain),
                ("limit_val", request.LimitVal),
                ("limit_test", request.LimitTest),
            }
        )
            if (limit >= 0)
                all[key] = limit;
        var yaml = new SerializerBuilder().Build().Serialize(Plain(all)!);
        File.WriteAllText(Path.Combine(Root, "hparams.yaml"), yaml.ReplaceLineEndings("\n"));
    }

    /// <summary>The run has something to show: its folder stays.</summary>
    public void Keep() => _kept = true;

    public void Dispose()
    {
        if ((!_kept || _passing) && Directory.Exists(Root))
        {
            Directory.Delete(Root, recursive: true);
            _parents.RemoveEmpty();
        }
    }

    private static int Version(DirectoryInfo folder) =>
        int.TryParse(folder.Name.AsSpan(Prefix.Length), NumberStyles.None, CultureInfo.InvariantCulture, out var n)
            ? n
            : -1;

    private static bool TryClaim(string folder)
    {
        Directory.CreateDirectory(folder);
        try
        {
            using var marker = new FileStream(Path.Combine(folder, "hparams.yaml"), FileMode.CreateNew);
            return true;
        }
        catch (IOException)
        {
            return false;
        }
    }

    /// <summary>JSON as the lists, maps and values that the YAML library knows.</summary>
    private static object? Plain(JsonNode? node) =>
        node switch
        {
            JsonObject fields => fields.ToDictionary(field => field.Key, field => Plain(field.Value)),
            JsonArray items => items.Select(Plain).ToList(),
            JsonValue value => value.GetValueKind() switch
            {
                JsonValueKind.String => value.GetValue<string>(),
                JsonValueKind.True => true,
                JsonValueKind.False => false,
                _ => Number(value.ToJsonString()),
            },
            _ => null,
        };

    private static object Number(string json) =>
        long.TryParse(json, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var whole)
            ? whole
            : double.Parse(json, CultureInfo.InvariantCulture);
}
