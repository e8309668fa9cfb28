using System.Diagnostics;

namespace Hybrid.Host.Callbacks;

/// <summary>Counts images and the seconds spent on training them, evaluation not counted.</summary>
/// <param name="perStep">Images that a step reads.</param>
/// <param name="perEpoch">Images that an epoch reads: its last step may have fewer.</param>
public sealed class Throughput(int perStep, int perEpoch) : ICallback
{
    private readonly Stopwatch _training = new();

    /// <summary>Images that were trained on, each as often as it was.</summary>
    public long Images { get; private set; }

    public double ImagesPerSecond => _training.Elapsed.TotalSeconds is > 0 and var s ? Images / s : 0;

    public void On(TrainingEvent happened)
    {
        switch (happened)
        {
            case TrainingEvent.EpochStarted:
            case TrainingEvent.EpochResumed:
                _training.Start();
                break;
            case TrainingEvent.StepEnded e:
                Images += Math.Min(perStep, perEpoch - e.Batch * perStep);
                break;
            case TrainingEvent.EpochTrained:
            case TrainingEvent.Diverged:
                _training.Stop();
                break;
        }
    }
}
