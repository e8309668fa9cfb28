using Hybrid.Host.Commands;

namespace Hybrid;

public sealed partial class ImageClassifier
{
    /// <summary>Trains a network, keeps its best weights and tests them, and writes the run's folder: checkpoints, logs, and
    /// a report. <see cref="Load"/> takes its <see cref="TrainResult.BestCheckpoint"/>.</summary>
    /// <param name="options">What to train on what, and how.</param>
    /// <param name="progress">Told of each event of the run.</param>
    /// <param name="cancellation">Ends the run after the step that is under way; what it has trained is validated and kept.
    /// </param>
    /// <exception cref="RequestException">The options are wrong; the message says what is allowed.</exception>
    /// <exception cref="Hybrid.Host.Runtime.WorkException">Nothing came of it.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static TrainResult Train(
        TrainingOptions options,
        IProgress<TrainingEvent>? progress = null,
        CancellationToken cancellation = default
    ) => Wait(TrainAsync(options, progress, cancellation));

    /// <inheritdoc cref="Train"/>
    public static async Task<TrainResult> TrainAsync(
        TrainingOptions options,
        IProgress<TrainingEvent>? progress = null,
        CancellationToken cancellation = default
    )
    {
        var run = StartTraining(options, cancellation);
        await foreach (var happened in run.Events.ConfigureAwait(false))
            progress?.Report(happened);
        return await run.Result.ConfigureAwait(false);
    }

    /// <summary>Starts a run and comes back at once.</summary>
    /// <param name="options">What to train on what, and how.</param>
    /// <param name="cancellation">Ends the run after the step that is under way; what it has trained is validated and kept.
    /// </param>
    public static TrainingSession StartTraining(TrainingOptions options, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        return new TrainingSession(options, cancellation);
    }
}
