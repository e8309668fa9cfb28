using System.Diagnostics;

namespace Hybrid.Host.Callbacks;

/// <summary>Counts images and the seconds spent on training them, evaluation not counted.</summary>
public sealed class Throughput(int batchSize) : ICallback
{
    private readonly Stopwatch _training = new();
    private int _imagesPerEpoch;

    /// <summary>Images that were trained on, each as often as it was.</summary>
    public long Images { get; private set; }

    public double ImagesPerSecond => _training.Elapsed.TotalSeconds is > 0 and var s ? Images / s : 0;

    public void On(TrainingEvent happened)
    {
        switch (happened)
        {
            case TrainingEvent.FitStarted e:
                _imagesPerEpoch = e.TrainImages;
                break;
            case TrainingEvent.EpochStarted:
            case TrainingEvent.EpochResumed:
                _training.Start();
                break;
            case TrainingEvent.StepEnded e:
                // The last batch of an epoch may be smaller.
                Images += Math.Min(batchSize, _imagesPerEpoch - e.Batch * batchSize);
                break;
            case TrainingEvent.EpochTrained:
            case TrainingEvent.Diverged:
                _training.Stop();
                break;
        }
    }
}
