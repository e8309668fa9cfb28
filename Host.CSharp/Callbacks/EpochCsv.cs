using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;

namespace Hybrid.Host.Callbacks;

/// <summary>
/// <c>epochs.csv</c>: one row an epoch with all that was measured in it, its learning rate and its seconds, validation
/// counted in. What was not measured is left empty.
/// </summary>
public sealed class EpochCsv : EpochCallback, IStateful, IDisposable
{
    private readonly StreamWriter _file;
    private readonly Stopwatch _clock = new();
    private double _rate;
    private double _secondsBefore;

    public EpochCsv(string path, string optimizer)
    {
        // An older file is that of the same run, which goes on.
        var file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.Write, FileShare.Read);
        file.Seek(0, SeekOrigin.End);
        _file = new StreamWriter(file) { NewLine = "\n" };
        if (file.Length == 0)
            Row("epoch", "step", $"lr-{optimizer}", "train_loss", "train_acc", "val_loss", "val_acc", "seconds");
    }

    public string Name => "epoch_csv";

    private double Seconds => _secondsBefore + _clock.Elapsed.TotalSeconds;

    public JsonObject Save() =>
        new()
        {
            ["length"] = _file.BaseStream.Length,
            ["rate"] = _rate,
            ["seconds"] = Seconds,
        };

    public void Restore(JsonObject saved)
    {
        _file.BaseStream.SetLength(saved["length"]!.GetValue<long>());
        _file.BaseStream.Seek(0, SeekOrigin.End);
        _rate = saved["rate"]!.GetValue<double>();
        _secondsBefore = saved["seconds"]!.GetValue<double>();
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
        Row(
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

    private void Row(params ReadOnlySpan<string> fields)
    {
        _file.WriteLine(string.Join(',', fields));
        // A run may end at any moment: what is logged is in the file.
        _file.Flush();
    }
}
