using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using Hybrid.Host.Checkpoints;
using Hybrid.Host.Logs;

namespace Hybrid.Host.Callbacks;

/// <summary>
/// <c>epochs.csv</c>: one row an epoch with all that was measured in it, its learning rate and its seconds, validation
/// counted in. What was not measured is left empty.
/// </summary>
public sealed class EpochCsv : EpochCallback, IStateful, IDisposable
{
    private readonly TableFile _file;
    private readonly Stopwatch _clock = new();
    private double _rate;
    private double _secondsBefore;

    /// <param name="warn">Told where the file of a run that is taken up again is not as it was left.</param>
    public EpochCsv(string path, string optimizer, Action<string>? warn = null)
    {
        string[] columns =
        [
            "epoch",
            "step",
            MetricName.rate(optimizer),
            MetricName.TrainLoss,
            MetricName.TrainAccuracy,
            MetricName.ValLoss,
            MetricName.ValAccuracy,
            "seconds",
        ];
        _file = new TableFile(path, columns, warn);
    }

    public string Name => "epoch_csv";

    private double Seconds => _secondsBefore + _clock.Elapsed.TotalSeconds;

    public JsonObject Save()
    {
        var saved = _file.Save();
        saved["rate"] = _rate;
        saved["seconds"] = Seconds;
        return saved;
    }

    public void Restore(JsonObject saved)
    {
        var stored = new StoredFields(saved);
        (_rate, _secondsBefore) = (stored.Number("rate"), stored.Measured("seconds", double.MaxValue));
        _file.Restore(stored);
    }

    public override void On(TrainingEvent happened)
    {
        switch (happened)
        {
            case TrainingEvent.EpochStarted e:
                (_rate, _secondsBefore) = (e.LearningRate, 0);
                _clock.Restart();
                break;
            case TrainingEvent.EpochResumed:
                _clock.Restart();
                break;
        }
        base.On(happened);
    }

    public void Dispose() => _file.Dispose();

    protected override void OnEpoch(EpochMetrics metrics) =>
        _file.Row(
            metrics.Epoch.ToString(CultureInfo.InvariantCulture),
            metrics.Step.ToString(CultureInfo.InvariantCulture),
            Number(_rate),
            Number(metrics.TrainLoss),
            Number(metrics.TrainAccuracy),
            Number(metrics.ValLoss),
            Number(metrics.ValAccuracy),
            Seconds.ToString("F3", CultureInfo.InvariantCulture)
        );

    private static string Number(double value) =>
        double.IsNaN(value) ? "" : value.ToString("R", CultureInfo.InvariantCulture);
}
