namespace Hybrid.Host.Runtime;

/// <summary>
/// Ctrl-C, asked for politely: the first one lets the work come to a point where it can be saved, the second ends the
/// process at once.
/// </summary>
public static class Interrupt
{
    /// <summary>The exit code of a process that was interrupted, as shells count it.</summary>
    public const int ExitCode = 130;

    private static readonly CancellationTokenSource Source = new();

    public static CancellationToken Token => Source.Token;

    public static bool Asked => Source.IsCancellationRequested;

    public static void Listen() =>
        Console.CancelKeyPress += (_, press) =>
        {
            if (Asked)
                return;
            press.Cancel = true;
            Source.Cancel();
        };
}
