using System.Globalization;
using Google.Protobuf;

namespace Hybrid.Host.Logs;

/// <summary>TensorBoard's log of a run: what happened at which step, and when.</summary>
public sealed class EventFile : IDisposable
{
    private const string Prefix = "events.out.tfevents.";
    private readonly RecordFile _records;

    /// <summary>Begins a file in a run's folder, under the name that TensorBoard looks for.</summary>
    public EventFile(string folder)
    {
        var now = DateTimeOffset.UtcNow.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);
        var name = $"{Prefix}{now}.{Environment.MachineName}.{Environment.ProcessId}";
        var number = 0;
        while (File.Exists(System.IO.Path.Combine(folder, $"{name}.{number}")))
            number++;
        Path = System.IO.Path.Combine(folder, $"{name}.{number}");
        _records = new RecordFile(Path);
        Append(new Tensorboard.Event { FileVersion = "brain.Event:2" });
    }

    public string Path { get; }

    public long Length => _records.Length;

    /// <summary>The event files of a run's folder; what a link points to is none of them.</summary>
    public static IEnumerable<FileInfo> In(string folder) =>
        new DirectoryInfo(folder).EnumerateFiles(Prefix + "*").Where(file => file.LinkTarget is null);

    /// <summary>Whether a file's name says that a process began it, at some time since.</summary>
    /// <param name="since">Seconds since 1970.</param>
    public static bool IsBegunBy(string name, string machine, string process, long since)
    {
        if (!name.StartsWith(Prefix, StringComparison.Ordinal))
            return false;
        // The machine's name may have dots in it.
        var parts = name[Prefix.Length..].Split('.', 2);
        return parts.Length == 2
            && long.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out var begun)
            && begun >= since
            && parts[1].StartsWith($"{machine}.{process}.", StringComparison.Ordinal)
            && parts[1][(machine.Length + process.Length + 2)..].All(char.IsAsciiDigit);
    }

    /// <summary>One point of a curve. The format holds it in single precision.</summary>
    public void Scalar(string tag, long step, double value) =>
        Value(step, new Tensorboard.Summary.Types.Value { Tag = tag, SimpleValue = (float)value });

    public void Image(string tag, long step, Picture picture) =>
        Value(
            step,
            new Tensorboard.Summary.Types.Value
            {
                Tag = tag,
                Image = new Tensorboard.Summary.Types.Image
                {
                    Height = picture.Height,
                    Width = picture.Width,
                    Colorspace = 3, // red, green, blue
                    EncodedImageString = UnsafeByteOperations.UnsafeWrap(picture.Png),
                },
            }
        );

    public void Graph(Tensorboard.GraphDef graph) => Append(new Tensorboard.Event { GraphDef = graph.ToByteString() });

    /// <summary>The run goes on from here: TensorBoard forgets what earlier files say of this step and later ones.</summary>
    public void Restart(long step) =>
        Append(
            new Tensorboard.Event
            {
                Step = step,
                SessionLog = new Tensorboard.SessionLog { Status = Tensorboard.SessionLog.Types.SessionStatus.Start },
            }
        );

    /// <summary>Anything else that a part of TensorBoard shows.</summary>
    public void Value(long step, Tensorboard.Summary.Types.Value value) =>
        Append(
            new Tensorboard.Event
            {
                Step = step,
                Summary = new Tensorboard.Summary { Value = { value } },
            }
        );

    /// <summary>What was written is on the disk when this returns.</summary>
    public void Sync() => _records.Sync();

    public void Dispose() => _records.Dispose();

    /// <summary>Seconds since 1970.</summary>
    public static double Now => (DateTimeOffset.UtcNow - DateTimeOffset.UnixEpoch).TotalSeconds;

    private void Append(Tensorboard.Event happened)
    {
        happened.WallTime = Now;
        _records.Append(happened.ToByteArray());
    }
}
