using System.Text.Json;
using System.Text.Json.Serialization;

namespace Hybrid.Host.Callbacks;

/// <summary>What an epoch came to; NaN where something was not measured.</summary>
public sealed record EpochMetrics(
    int Epoch,
    long Step,
    double TrainLoss,
    double TrainAccuracy,
    double ValLoss,
    double ValAccuracy
)
{
    /// <summary>What was not measured is stored as NaN, which plain JSON has no number for.</summary>
    public static JsonSerializerOptions Json { get; } =
        new() { NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals };

    /// <summary>A metric under the name that it is logged by.</summary>
    public double Named(string metric) =>
        metric switch
        {
            MetricName.TrainLoss => TrainLoss,
            MetricName.TrainAccuracy => TrainAccuracy,
            MetricName.ValLoss => ValLoss,
            MetricName.ValAccuracy => ValAccuracy,
            _ => throw new ArgumentOutOfRangeException(nameof(metric), metric, "no such metric"),
        };
}

/// <summary>Gathers the events of an epoch into one record, for callbacks that look at epochs as a whole.</summary>
public abstract class EpochCallback : ICallback
{
    private EpochMetrics _metrics = Nothing;

    private static EpochMetrics Nothing => new(-1, -1, double.NaN, double.NaN, double.NaN, double.NaN);

    public virtual bool WantsStop => false;

    public virtual void On(TrainingEvent happened)
    {
        switch (happened)
        {
            case TrainingEvent.EpochStarted:
                _metrics = Nothing;
                break;
            case TrainingEvent.EpochTrained e:
                _metrics = _metrics with { TrainLoss = e.Loss, TrainAccuracy = e.Accuracy };
                break;
            case TrainingEvent.EpochValidated e:
                _metrics = _metrics with { ValLoss = e.Loss, ValAccuracy = e.Accuracy };
                break;
            case TrainingEvent.EpochEnded e:
                OnEpoch(_metrics with { Epoch = e.Epoch, Step = e.Step });
                break;
        }
    }

    protected abstract void OnEpoch(EpochMetrics metrics);
}
