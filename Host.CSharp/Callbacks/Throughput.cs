using System.Diagnostics;

namespace Hybrid.Host.Callbacks;

/// <summary>Counts images and the seconds spent on training them, evaluation not counted.</summary>
public sealed class Throughput(int batchSize) : ICallback
{
    private readonly Stopwatch _training = new();
    private long _images;

    public double ImagesPerSecond => _training.Elapsed.TotalSeconds is > 0 and var s ? _images / s : 0;

    public void On(TrainingEvent happened)
    {
        switch (happened)
        {
            case TrainingEvent.EpochStarted:
            case TrainingEvent.EpochResumed:
                _training.Start();
                break;
            case TrainingEvent.StepEnded:
                _images += batchSize;
                break;
            case TrainingEvent.EpochTrained:
            case TrainingEvent.Diverged:
                _training.Stop();
                break;
        }
    }
}
