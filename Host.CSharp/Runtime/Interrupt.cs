using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Hybrid.Host.Runtime;

/// <summary>
/// Ctrl-C, <c>kill</c> and a closed terminal, asked for politely: the first signal lets the work come to a point where it
/// can be saved. Those that follow in the next seconds are the same wish said again; one that comes later ends the process
/// at once.
/// </summary>
/// <remarks>A signal that the process was started to ignore, as by <c>nohup</c>, stays ignored.</remarks>
public static class Interrupt
{
    /// <summary>SIGXFSZ, which .NET has no name for.</summary>
    private const int FileTooLarge = 25;

    /// <summary>How long the work has to come to a point where it can be saved.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private static readonly CancellationTokenSource Source = new();

    /// <summary>A registration ends when the collector finds it.</summary>
    private static readonly List<PosixSignalRegistration> Registrations = [];

    private static readonly Lock Gate = new();
    private static readonly Stopwatch SinceFirst = new();

    /// <summary>The exit code of a process that was interrupted, as shells count it: 128 and the first signal's number.
    /// </summary>
    public static int ExitCode { get; private set; } = 130;

    public static CancellationToken Token => Source.Token;

    public static bool Asked => Source.IsCancellationRequested;

    public static void Listen()
    {
        foreach (
            var (signal, code) in new[]
            {
                (PosixSignal.SIGINT, 130),
                (PosixSignal.SIGTERM, 143),
                (PosixSignal.SIGHUP, 129),
            }
        )
            Registrations.Add(PosixSignalRegistration.Create(signal, context => On(context, code)));
        // A file that outgrows the user's limit is a write that failed, and not the end of the process.
        if (!OperatingSystem.IsWindows())
            Registrations.Add(PosixSignalRegistration.Create((PosixSignal)FileTooLarge, it => it.Cancel = true));
    }

    private static void On(PosixSignalContext context, int code)
    {
        context.Cancel = true;
        lock (Gate)
        {
            if (!SinceFirst.IsRunning)
            {
                SinceFirst.Start();
                ExitCode = code;
            }
            else if (SinceFirst.Elapsed > Patience)
                Environment.Exit(ExitCode);
        }
        Source.Cancel();
    }
}
