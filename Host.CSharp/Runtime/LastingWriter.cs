using System.Text;

namespace Hybrid.Host.Runtime;

/// <summary>The console, for work that outlives it: once a signal has come, as from a terminal that was closed, what cannot
/// be written any more is let go, so that the work can still be saved.</summary>
public sealed class LastingWriter(TextWriter inner) : TextWriter
{
    /// <summary>A terminal is gone a moment before its signal comes.</summary>
    private const int Moment = 500;

    public override Encoding Encoding => inner.Encoding;

    /// <summary>From now on the console is written to in this way.</summary>
    public static void Install()
    {
        Console.SetOut(new LastingWriter(Console.Out));
        Console.SetError(new LastingWriter(Console.Error));
    }

    public override void Write(char value) => Try(() => inner.Write(value));

    public override void Write(string? value) => Try(() => inner.Write(value));

    public override void Write(char[] buffer, int index, int count) => Try(() => inner.Write(buffer, index, count));

    public override void WriteLine(string? value) => Try(() => inner.WriteLine(value));

    public override void Flush() => Try(inner.Flush);

    private static void Try(Action write)
    {
        try
        {
            write();
        }
        catch (IOException) when (Interrupt.Token.WaitHandle.WaitOne(Moment))
        {
            // Nobody is there to read it.
        }
    }
}
