using System.Text.Json;
using System.Text.Json.Nodes;
using Hybrid.Command;

namespace Hybrid.Host.Callbacks;

/// <summary>
/// Keeps the weights of the best epoch by the monitored metric, or of the last epoch where that metric is never
/// measured. At any time one file, and that one whole.
/// </summary>
/// <param name="write">Writes the weights of this moment to a file.</param>
public sealed class BestCheckpoint(MonitorRequest monitor, string folder, Action<string, EpochMetrics> write)
    : EpochCallback,
        IStateful
{
    /// <summary>The file that is kept; null before the first epoch has ended.</summary>
    public string? File { get; private set; }

    /// <summary>The epoch that it is of.</summary>
    public EpochMetrics? Best { get; private set; }

    public string Name => "best_checkpoint";

    public JsonObject Save() =>
        new()
        {
            ["file"] = File is null ? null : Path.GetFileName(File),
            ["best"] = JsonSerializer.SerializeToNode(Best, EpochMetrics.Json),
        };

    public void Restore(JsonObject saved)
    {
        Best = saved["best"].Deserialize<EpochMetrics>(EpochMetrics.Json);
        File = saved["file"] is { } file ? Path.Combine(folder, file.GetValue<string>()) : null;
    }

    protected override void OnEpoch(EpochMetrics metrics)
    {
        if (!IsBetter(metrics))
            return;
        Directory.CreateDirectory(folder);
        var file = Path.Combine(folder, $"epoch={metrics.Epoch}-step={metrics.Step + 1}.safetensors");
        write(file, metrics);
        if (File is { } old && old != file)
            System.IO.File.Delete(old);
        (File, Best) = (file, metrics);
    }

    private bool IsBetter(EpochMetrics metrics)
    {
        var best = Best?.Named(monitor.Metric) ?? double.NaN;
        // While the metric is never measured, the later epoch is the better one.
        return double.IsNaN(best) || monitor.IsBetter(metrics.Named(monitor.Metric), best);
    }
}
