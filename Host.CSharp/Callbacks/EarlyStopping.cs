using System.Globalization;
using System.Text.Json.Nodes;
using Hybrid.Command;
using Hybrid.Host.Checkpoints;
using Hybrid.Host.Runtime;

namespace Hybrid.Host.Callbacks;

/// <summary>Ends a run whose monitored metric has not become better, by more than the least change that counts, for
/// some epochs.</summary>
public sealed class EarlyStopping(MonitorRequest monitor) : EpochCallback, IStateful
{
    private double _best = double.NaN;
    private int _waited;

    public string Name => "early_stopping";

    /// <summary>What is not becoming better, and for how long.</summary>
    public string Reason => $"{Counted.Of(_waited, "epoch")} without a better {monitor.Metric}";

    public override bool WantsStop => monitor.Patience > 0 && _waited >= monitor.Patience;

    // As text, since JSON has no number for the NaN that stands for "nothing yet".
    public JsonObject Save() =>
        new() { ["best"] = _best.ToString("R", CultureInfo.InvariantCulture), ["waited"] = _waited };

    public void Restore(JsonObject saved)
    {
        var stored = new StoredFields(saved);
        var most = monitor.Metric.EndsWith("_acc", StringComparison.Ordinal) ? 1 : double.MaxValue;
        (_best, _waited) = (stored.Measured("best", most), (int)stored.Whole("waited", 0, int.MaxValue));
    }

    protected override void OnEpoch(EpochMetrics metrics)
    {
        var now = metrics.Named(monitor.Metric);
        // Nothing was measured, so nothing can have failed to improve.
        if (double.IsNaN(now))
            return;
        if (monitor.IsProgress(now, _best))
            (_best, _waited) = (now, 0);
        else
            _waited++;
    }
}
