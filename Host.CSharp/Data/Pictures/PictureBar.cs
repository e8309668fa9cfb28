using Hybrid.Host.Runtime;
using Spectre.Console;

namespace Hybrid.Host.Data;

/// <summary>
/// Shows how many pictures are read: a bar on a terminal; elsewhere a line each tenth, of what takes longer than a
/// moment. The thread that shows is the caller's alone: the display does not bear several.
/// </summary>
internal static class PictureBar
{
    private static readonly TimeSpan Often = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan Moment = TimeSpan.FromSeconds(2);

    /// <summary>Waits for <paramref name="work"/>, whose exception it throws.</summary>
    public static void Follow(Output output, string title, int total, Func<int> done, Task work)
    {
        if (output.Live)
            Bar(output, title, total, done, work);
        else
            Lines(output, title, total, done, work);
        work.GetAwaiter().GetResult();
    }

    private static void Bar(Output output, string title, int total, Func<int> done, Task work) =>
        output
            .People.Progress()
            .AutoClear(true)
            .Columns(
                new TaskDescriptionColumn(),
                new ProgressBarColumn(),
                new PercentageColumn(),
                new RemainingTimeColumn()
            )
            .Start(context =>
            {
                var task = context.AddTask(Markup.Escape(title), maxValue: total);
                while (!Ended(work, Often))
                    task.Value = done();
                task.Value = done();
            });

    private static void Lines(Output output, string title, int total, Func<int> done, Task work)
    {
        var shown = 0;
        if (Ended(work, Moment))
            return;
        do
        {
            var tenth = (int)(10L * done() / total);
            if (tenth > shown)
                output.Line($"{title}: {tenth * 10}% of {total:N0}");
            shown = tenth;
        } while (!Ended(work, Often));
    }

    private static bool Ended(Task work, TimeSpan patience) => Task.WaitAny([work], patience) >= 0;
}
