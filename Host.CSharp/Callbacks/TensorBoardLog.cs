using System.Text.Json.Nodes;
using Hybrid.Host.Checkpoints;
using Hybrid.Host.Logs;
using Hybrid.Host.Runtime;

namespace Hybrid.Host.Callbacks;

/// <summary>
/// An event file for TensorBoard with the tags and steps that Lightning's logger and its learning-rate monitor write,
/// and besides them the network's graph, the hyperparameters and images of the first batch.
/// </summary>
/// <param name="folder">The run's folder, which is there already.</param>
/// <param name="optimizer">Its name in the tag of the learning rate.</param>
/// <param name="samples">Images of the first batch.</param>
/// <param name="monitor">When the learning rate is logged; null for once an epoch.</param>
public sealed class TensorBoardLog(
    string folder,
    string optimizer,
    JsonObject hyperParameters,
    IReadOnlyList<GraphNode> network,
    Samples samples,
    LearningRateMonitor? monitor = null
) : ICallback, IStateful, IDisposable
{
    private const int Columns = 8;

    private readonly EventFile _file = new(folder);
    private readonly string _rate = MetricName.rate(optimizer);
    private readonly LearningRateMonitor _monitor = monitor ?? new();
    private readonly HashSet<string> _own = [];
    private bool _resumed;
    private bool _known;
    private bool _started;
    private bool _validates;
    private bool _complete;

    public string Name => "tensorboard_log";

    /// <summary>Names of files that an earlier process had begun when it was killed.</summary>
    public IReadOnlyList<string> LeftBehind { get; init; } = [];

    /// <summary>Names that such a process left of which it is not sure that they are its own.</summary>
    public IReadOnlyList<string> Doubtful { get; init; } = [];

    /// <summary>Told of files that are gone, and of those that are left in doubt.</summary>
    public Action<string>? Warn { get; init; }

    /// <summary>The file that this process writes.</summary>
    public string File => _file.Path;

    /// <summary>How long each of the run's files is: the first, and one more for each time it was taken up again. They are
    /// on the disk when this returns.</summary>
    public JsonObject Save()
    {
        _file.Sync();
        var lengths = new JsonObject();
        foreach (var file in Earlier().Where(file => _own.Contains(file.Name)))
            lengths[file.Name] = file.Length;
        lengths[Path.GetFileName(_file.Path)] = _file.Length;
        _known = true;
        return lengths;
    }

    public void Restore(JsonObject saved)
    {
        _resumed = true;
        var stored = new StoredFields(saved);
        foreach (var file in Earlier())
            if (saved.ContainsKey(file.Name))
            {
                RecordFile.Cut(file.FullName, stored.Whole(file.Name, 0, long.MaxValue));
                _own.Add(file.Name);
            }
            else if (LeftBehind.Contains(file.Name))
                file.Delete();
            else if (Doubtful.Contains(file.Name))
                Warn?.Invoke(
                    $"'{file.FullName}' is named by the .lock of a process that was killed, but need not be of it: it stays. "
                        + "Remove it if it is none of yours, or TensorBoard shows some steps twice"
                );
        foreach (var (name, _) in saved.Where(it => !_own.Contains(it.Key)))
            Warn?.Invoke(
                $"'{Quoted.Plain(name, 100)}' is gone, which had the run's curves: TensorBoard shows them from here on"
            );
    }

    public void On(TrainingEvent happened)
    {
        switch (happened)
        {
            case TrainingEvent.FitStarted e:
                _validates = e.ValImages > 0;
                break;
            case TrainingEvent.EpochStarted e:
                Begin(e.Step);
                break;
            case TrainingEvent.EpochResumed e:
                Begin(e.Step);
                break;
            case TrainingEvent.LossLogged e:
                Scalars(e.Epoch, e.Step, (MetricName.TrainLoss, e.Loss));
                break;
            case TrainingEvent.EpochTrained e:
                Scalars(e.Epoch, e.Step, (MetricName.TrainAccuracy, e.Accuracy));
                break;
            case TrainingEvent.EpochValidated e:
                Scalars(e.Epoch, e.Step, (MetricName.ValAccuracy, e.Accuracy), (MetricName.ValLoss, e.Loss));
                break;
        }

        // Lightning's monitor hands the rate to the logger itself, so that no epoch comes with it.
        if (_monitor.Read(happened) is { } seen)
            _file.Scalar(_rate, seen.Step, seen.Rate);

        // A run that ends early by its own rules ends with an epoch; one that is broken off has no such last word.
        _complete = happened is TrainingEvent.EpochEnded or TrainingEvent.FitEnded;
    }

    /// <summary>Closes the file, after a word on how the run went. What no saved state knows of will be done again: it is
    /// not left to be read twice. Of a run that is complete the new file says so, since the earlier ones were cut at their
    /// last saved state, which comes before that word.</summary>
    public void Dispose()
    {
        if (_started || _resumed)
            _file.Value(0, HparamsSession.End(_complete));
        _file.Dispose();
        if (_resumed && !_known && !_complete)
            Leftover.Delete(_file.Path);
    }

    private FileInfo[] Earlier() =>
        [.. EventFile.In(folder).Where(file => file.FullName != Path.GetFullPath(_file.Path))];

    /// <summary>Before the first record: all that does not change, or that the run goes on from a step.</summary>
    private void Begin(long step)
    {
        if (_started)
            return;
        _started = true;
        if (_resumed)
        {
            _file.Restart(step);
            return;
        }
        string[] metrics = [.. _validates ? MetricName.validation : [], .. MetricName.training];
        _file.Value(0, HparamsSession.Experiment(hyperParameters, metrics));
        _file.Value(0, HparamsSession.Start(hyperParameters));
        _file.Graph(NetworkGraph.Of(network));
        Pictures("first_batch/raw", samples.Raw);
        Pictures("first_batch/augmented", samples.Augmented);
    }

    /// <summary>What one call of Lightning's <c>log</c> writes: the epoch goes with every record.</summary>
    private void Scalars(int epoch, long step, params ReadOnlySpan<(string Tag, double Value)> values)
    {
        foreach (var (tag, value) in values)
            _file.Scalar(tag, step, value);
        _file.Scalar("epoch", step, epoch);
    }

    private void Pictures(string tag, byte[] images) =>
        _file.Image(tag, 0, Picture.Grid(images, samples.Count, samples.Height, samples.Width, Columns));
}
