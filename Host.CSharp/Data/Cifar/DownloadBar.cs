using Hybrid.Host.Runtime;
using Spectre.Console;

namespace Hybrid.Host.Data;

/// <summary>Shows how far a download is: a bar on a terminal, a line each tenth elsewhere.</summary>
public static class DownloadBar
{
    /// <summary>Runs a download that may turn out to have nothing to do, and then shows nothing.</summary>
    public static T Show<T>(Output output, string name, Func<IProgress<DownloadProgress>, Task<T>> download)
    {
        if (!output.Live)
            return download(new Lines(output, name)).GetAwaiter().GetResult();
        return output
            .People.Progress()
            .AutoClear(true)
            .Columns(
                new TaskDescriptionColumn(),
                new ProgressBarColumn(),
                new DownloadedColumn(),
                new TransferSpeedColumn(),
                new RemainingTimeColumn()
            )
            .StartAsync(context => download(new Bar(context, name)))
            .GetAwaiter()
            .GetResult();
    }

    private sealed class Bar(ProgressContext context, string name) : IProgress<DownloadProgress>
    {
        private ProgressTask? _task;

        public void Report(DownloadProgress value)
        {
            _task ??= context.AddTask($"Downloading {name}", maxValue: value.Total);
            _task.Value = value.Bytes;
        }
    }

    private sealed class Lines(Output output, string name) : IProgress<DownloadProgress>
    {
        private long _tenth = -1;

        public void Report(DownloadProgress value)
        {
            var tenth = value.Total > 0 ? value.Bytes * 10 / value.Total : 0;
            if (Interlocked.Exchange(ref _tenth, tenth) != tenth)
                output.Line($"Downloading {name}: {tenth * 10}% of {value.Total / 1_000_000} MB");
        }
    }
}
