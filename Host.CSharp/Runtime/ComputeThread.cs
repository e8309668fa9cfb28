using System.Threading.Channels;

namespace Hybrid.Host.Runtime;

/// <summary>
/// The one thread that computes for whoever asks, one call after the other. libtorch spreads each call over all cores
/// itself, and keeps a crew of threads for every thread that calls it: many callers would only wait for one another's
/// crews.
/// </summary>
internal static class ComputeThread
{
    private static readonly Lazy<Channel<Action>> Work = new(() =>
    {
        var work = Channel.CreateUnbounded<Action>(new UnboundedChannelOptions { SingleReader = true });
        new Thread(() => Serve(work.Reader)) { IsBackground = true, Name = "Hybrid" }.Start();
        return work;
    });

    /// <summary>Runs it when its turn has come.</summary>
    /// <param name="cancellation">Takes it back as long as it has not begun.</param>
    public static Task<T> Run<T>(Func<T> work, CancellationToken cancellation = default)
    {
        var promise = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        Work.Value.Writer.TryWrite(() =>
        {
            if (cancellation.IsCancellationRequested)
            {
                promise.SetCanceled(cancellation);
                return;
            }
            try
            {
                promise.SetResult(work());
            }
            catch (Exception error)
            {
                promise.SetException(error);
            }
        });
        return promise.Task;
    }

    private static void Serve(ChannelReader<Action> work)
    {
        while (work.WaitToReadAsync().AsTask().GetAwaiter().GetResult())
        while (work.TryRead(out var next))
            next();
    }
}
