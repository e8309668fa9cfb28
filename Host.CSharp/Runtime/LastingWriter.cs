using System.Text;

namespace Hybrid.Host.Runtime;

/// <summary>The console, for work that outlives it: once a signal has come, as from a terminal that was closed, what cannot
/// be written any more is let go, so that the work can still be saved.</summary>
/// <param name="name">The stream's, for messages.</param>
public sealed class LastingWriter(TextWriter inner, string name) : TextWriter
{
    /// <summary>A terminal is gone a moment before its signal comes.</summary>
    private const int Moment = 500;

    public override Encoding Encoding => inner.Encoding;

    /// <summary>From now on the console is written to in this way.</summary>
    public static void Install()
    {
        Console.SetOut(new LastingWriter(Console.Out, "stdout"));
        // Nobody can be told that it is closed, and nobody wants to know.
        var error = GivenStreams.TakesText(GivenStreams.Error) ? Console.Error : TextWriter.Null;
        Console.SetError(new LastingWriter(error, "stderr"));
    }

    public override void Write(char value) => Try(() => inner.Write(value));

    public override void Write(string? value) => Try(() => inner.Write(value));

    public override void Write(char[] buffer, int index, int count) => Try(() => inner.Write(buffer, index, count));

    public override void WriteLine(string? value) => Try(() => inner.WriteLine(value));

    public override void Flush() => Try(inner.Flush);

    private void Try(Action write)
    {
        try
        {
            write();
        }
        catch (IOException) when (Interrupt.Token.WaitHandle.WaitOne(Moment))
        {
            // Nobody is there to read it.
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new IOException(
                $"{name} cannot be written to ({error.Message}): direct it to a file, or to /dev/null",
                error
            );
        }
    }
}
