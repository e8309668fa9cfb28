using System.Globalization;
using System.Text.Json.Nodes;
using Hybrid.Host.Checkpoints;
using Hybrid.Host.Logs;

namespace Hybrid.Host.Callbacks;

/// <summary>
/// <c>metrics.csv</c> as Lightning's logger writes it: columns in alphabetical order, each record in a row of its own,
/// what it does not say left empty.
/// </summary>
public sealed class CsvLog : ICallback, IStateful, IDisposable
{
    private readonly TableFile _file;
    private readonly string[] _columns;
    private readonly string _rate;
    private readonly LearningRateMonitor _monitor;

    /// <param name="optimizer">Its name in the column of the learning rate.</param>
    /// <param name="monitor">When the rate is logged; null for once an epoch.</param>
    /// <param name="warn">Told where the file of a run that is taken up again is not as it was left.</param>
    public CsvLog(string path, string optimizer, LearningRateMonitor? monitor = null, Action<string>? warn = null)
    {
        (_rate, _monitor) = (MetricName.rate(optimizer), monitor ?? new());
        _columns =
        [
            "epoch",
            "step",
            MetricName.TrainLoss,
            MetricName.TrainAccuracy,
            MetricName.ValLoss,
            MetricName.ValAccuracy,
            _rate,
        ];
        Array.Sort(_columns, StringComparer.Ordinal);
        _file = new TableFile(path, _columns, warn);
    }

    public string Name => "csv_log";

    public JsonObject Save() => _file.Save();

    public void Restore(JsonObject saved) => _file.Restore(new StoredFields(saved));

    public void On(TrainingEvent happened)
    {
        if (_monitor.Read(happened) is { } seen)
            Row(seen.Epoch, seen.Step, (_rate, seen.Rate));
        switch (happened)
        {
            case TrainingEvent.LossLogged e:
                Row(e.Epoch, e.Step, (MetricName.TrainLoss, e.Loss));
                break;
            case TrainingEvent.EpochTrained e:
                Row(e.Epoch, e.Step, (MetricName.TrainAccuracy, e.Accuracy));
                break;
            case TrainingEvent.EpochValidated e:
                Row(e.Epoch, e.Step, (MetricName.ValAccuracy, e.Accuracy), (MetricName.ValLoss, e.Loss));
                break;
        }
    }

    public void Dispose() => _file.Dispose();

    private void Row(int epoch, long step, params ReadOnlySpan<(string Column, double Value)> values)
    {
        var fields = new string[_columns.Length];
        void Set(string column, string text) => fields[Array.IndexOf(_columns, column)] = text;
        Set("epoch", epoch.ToString(CultureInfo.InvariantCulture));
        Set("step", step.ToString(CultureInfo.InvariantCulture));
        foreach (var (column, value) in values)
            Set(column, value.ToString("R", CultureInfo.InvariantCulture));
        _file.Row(fields);
    }
}
