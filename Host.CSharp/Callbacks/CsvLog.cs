using System.Globalization;
using System.Text.Json.Nodes;

namespace Hybrid.Host.Callbacks;

/// <summary>
/// <c>metrics.csv</c> as Lightning's logger writes it: columns in alphabetical order, each record in a row of its own,
/// what it does not say left empty.
/// </summary>
public sealed class CsvLog : ICallback, IStateful, IDisposable
{
    private readonly StreamWriter _file;
    private readonly string[] _columns;
    private readonly string _rate;
    private readonly LearningRateMonitor _monitor;

    /// <param name="optimizer">Its name in the column of the learning rate.</param>
    /// <param name="monitor">When the rate is logged; null for once an epoch.</param>
    public CsvLog(string path, string optimizer, LearningRateMonitor? monitor = null)
    {
        (_rate, _monitor) = ($"lr-{optimizer}", monitor ?? new());
        _columns = ["epoch", "step", "train_loss", "train_acc", "val_loss", "val_acc", _rate];
        Array.Sort(_columns, StringComparer.Ordinal);
        // An older file is that of the same run, which goes on.
        var file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.Write, FileShare.Read);
        file.Seek(0, SeekOrigin.End);
        _file = new StreamWriter(file) { NewLine = "\n" };
        if (file.Length == 0)
            _file.WriteLine(string.Join(',', _columns));
        _file.Flush();
    }

    public string Name => "csv_log";

    public JsonObject Save() => new() { ["length"] = _file.BaseStream.Length };

    public void Restore(JsonObject saved)
    {
        _file.BaseStream.SetLength(saved["length"]!.GetValue<long>());
        _file.BaseStream.Seek(0, SeekOrigin.End);
    }

    public void On(TrainingEvent happened)
    {
        if (_monitor.Read(happened) is { } seen)
            Row(seen.Epoch, seen.Step, (_rate, seen.Rate));
        switch (happened)
        {
            case TrainingEvent.LossLogged e:
                Row(e.Epoch, e.Step, ("train_loss", e.Loss));
                break;
            case TrainingEvent.EpochTrained e:
                Row(e.Epoch, e.Step, ("train_acc", e.Accuracy));
                break;
            case TrainingEvent.EpochValidated e:
                Row(e.Epoch, e.Step, ("val_acc", e.Accuracy), ("val_loss", e.Loss));
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
        _file.WriteLine(string.Join(',', fields));
        // A run may end at any moment: what is logged is in the file.
        _file.Flush();
    }
}
