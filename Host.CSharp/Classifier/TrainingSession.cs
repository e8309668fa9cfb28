using System.Threading.Channels;
using Hybrid.Host.Callbacks;
using Hybrid.Host.Commands;
using Hybrid.Host.Runtime;

namespace Hybrid;

/// <summary>A run that is under way.</summary>
/// <example><code>
/// var run = ImageClassifier.StartTraining(new() { Data = "folder:pets", Epochs = 5 });
/// await foreach (var happened in run.Events)
///     if (happened is TrainingEvent.EpochValidated e)
///         Console.WriteLine($"epoch {e.Epoch}: {e.Accuracy:P1}");
/// using var classifier = ImageClassifier.Load((await run.Result).BestCheckpoint!);
/// </code></example>
public sealed class TrainingSession
{
    private readonly Channel<TrainingEvent> _events = Channel.CreateUnbounded<TrainingEvent>(
        new UnboundedChannelOptions { SingleWriter = true }
    );

    internal TrainingSession(TrainingOptions options, CancellationToken cancellation)
    {
        var listener = new Listener(happened => _events.Writer.TryWrite(happened), cancellation);
        // A thread of its own: a run takes minutes, and the pool's are for moments.
        Result = Task.Factory.StartNew(
            () =>
            {
                var result = TrainCommand.Run(
                    options.Arguments,
                    _ => new Output(options.Log),
                    [.. options.Callbacks, listener]
                );
                cancellation.ThrowIfCancellationRequested();
                return result;
            },
            cancellation,
            TaskCreationOptions.LongRunning,
            TaskScheduler.Default
        );
        // Also where it never began.
        _ = Result.ContinueWith(_ => _events.Writer.TryComplete(), TaskScheduler.Default);
    }

    /// <summary>What happens, in order, from the beginning; they wait for whoever reads them, and can be read once. Their
    /// end is the run's; why it ended is <see cref="Result"/>'s to say.</summary>
    public IAsyncEnumerable<TrainingEvent> Events => _events.Reader.ReadAllAsync();

    /// <summary>What the run came to.</summary>
    /// <exception cref="RequestException">The options are wrong; the message says what is allowed.</exception>
    /// <exception cref="WorkException">Nothing came of it.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled; what it had trained is in its folder.</exception>
    public Task<TrainResult> Result { get; }

    private sealed class Listener(Action<TrainingEvent> tell, CancellationToken cancellation) : ICallback
    {
        public bool WantsStop => cancellation.IsCancellationRequested;

        public void On(TrainingEvent happened) => tell(happened);
    }
}
