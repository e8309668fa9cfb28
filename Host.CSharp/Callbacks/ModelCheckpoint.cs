using System.Text.Json;
using System.Text.Json.Nodes;
using Hybrid.Command;
using Hybrid.Host.Checkpoints;
using Hybrid.Host.Runtime;

namespace Hybrid.Host.Callbacks;

/// <summary>
/// Keeps a checkpoint of each of the best epochs by the monitored metric; where that is never measured, of the last
/// epochs. A newcomer has to be strictly better than the worst that is kept, which then goes.
/// </summary>
/// <param name="count">How many to keep: -1 for all, 0 for none.</param>
/// <param name="warn">Told where a checkpoint of a run that is taken up again is gone.</param>
/// <param name="isSound">Whether a file can be read as a checkpoint; that it is there where null.</param>
/// <param name="write">Writes the checkpoint of this moment, which is the end of the epoch, to a file.</param>
public sealed class ModelCheckpoint(
    MonitorRequest monitor,
    int count,
    string folder,
    Action<string, EpochMetrics> write,
    Action<string>? warn = null,
    Func<string, bool>? isSound = null
) : EpochCallback, IStateful, IDisposable
{
    /// <summary>In the order in which they came.</summary>
    private readonly List<EpochMetrics> _kept = [];

    private readonly List<string> _doomed = [];

    /// <summary>The best epoch, or the last where none is kept; null before the first has ended.</summary>
    public EpochMetrics? Best =>
        _kept.TrueForAll(it => double.IsNaN(it.Named(monitor.Metric))) ? _kept.LastOrDefault() : _kept.MaxBy(Merit);

    /// <summary>Its checkpoint, if it is kept.</summary>
    public string? File => count != 0 && Best is { } best ? FileOf(best) : null;

    public string Name => "model_checkpoint";

    public JsonObject Save() => new() { ["kept"] = JsonSerializer.SerializeToNode(_kept, EpochMetrics.Json) };

    /// <remarks>What is gone or damaged is kept no longer.</remarks>
    public void Restore(JsonObject saved)
    {
        var kept = Read(saved);
        if (count > 0 && kept.Count > count)
            throw new BrokenFileException($"it keeps {kept.Count} epochs, expected at most {count}");
        _kept.Clear();
        _kept.AddRange(kept);
        if (count == 0)
            return;
        foreach (var it in kept.Where(it => !(isSound ?? System.IO.File.Exists)(FileOf(it))))
        {
            warn?.Invoke(
                $"'{FileOf(it)}', one of the best so far, is gone or damaged: the best is chosen among the others"
            );
            _kept.Remove(it);
        }
    }

    /// <summary>Deletes the checkpoints that a later state of the run knows of and this one does not. Others are not the
    /// run's.</summary>
    /// <param name="later">What the callback remembered then.</param>
    /// <param name="now">What it remembered in this state, of which it may have been told nothing.</param>
    public void Undo(JsonObject later, JsonObject now)
    {
        foreach (var file in Read(later).Select(FileOf).Except(Read(now).Select(FileOf)))
            System.IO.File.Delete(file);
    }

    private static List<EpochMetrics> Read(JsonObject saved) =>
        [
            .. new StoredFields(saved)
                .Items("kept")
                .Select(it => new EpochMetrics(
                    (int)it.Whole("Epoch", 0, int.MaxValue),
                    it.Whole("Step", 0, long.MaxValue - 1),
                    it.Measured("TrainLoss", double.MaxValue),
                    it.Measured("TrainAccuracy", 1),
                    it.Measured("ValLoss", double.MaxValue),
                    it.Measured("ValAccuracy", 1)
                )),
        ];

    public override void On(TrainingEvent happened)
    {
        DeleteDoomed();
        base.On(happened);
    }

    public void Dispose() => DeleteDoomed();

    protected override void OnEpoch(EpochMetrics metrics)
    {
        if (count == 0)
        {
            _kept.Clear();
            _kept.Add(metrics);
            return;
        }
        var full = _kept.Count == count;
        var worst = full ? _kept.MinBy(Merit)! : null;
        if (worst is not null && !Replaces(metrics, worst))
            return;
        _kept.Add(metrics);
        if (worst is not null)
        {
            _kept.Remove(worst);
            // Until the state that does without it is saved, it belongs to the state that a run is taken up from.
            _doomed.Add(FileOf(worst));
        }
        write(FileOf(metrics), metrics);
    }

    private void DeleteDoomed()
    {
        // A folder that was removed meanwhile holds none of them, which whoever saves the run says.
        foreach (var file in _doomed)
            Leftover.Delete(file);
        _doomed.Clear();
    }

    private string FileOf(EpochMetrics metrics) =>
        Path.Combine(folder, $"epoch={metrics.Epoch}-step={metrics.Step + 1}.safetensors");

    // Of equals the first that came is met first, both as the best and as the worst.
    private double Merit(EpochMetrics metrics)
    {
        var value = metrics.Named(monitor.Metric);
        return double.IsNaN(value) ? double.NegativeInfinity
            : monitor.HigherIsBetter ? value
            : -value;
    }

    private bool Replaces(EpochMetrics metrics, EpochMetrics worst)
    {
        var (now, before) = (metrics.Named(monitor.Metric), worst.Named(monitor.Metric));
        // Among epochs of which nothing is known, the later is the better one.
        return double.IsNaN(now) ? double.IsNaN(before) : monitor.IsBetter(now, before);
    }
}
