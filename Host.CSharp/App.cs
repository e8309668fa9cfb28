using System.Globalization;
using System.Runtime.InteropServices;
using Hybrid;
using Hybrid.Command;
using Hybrid.Host.Commands;
using Hybrid.Host.Runtime;

namespace Hybrid.Host;

/// <summary>The command line as a whole.</summary>
public static class App
{
    private static readonly CultureInfo Neutral = CultureInfo.InvariantCulture;

    /// <summary>Does what <c>hybrid ARGUMENTS</c> does, for a program of one's own that has made more known before: models
    /// by <see cref="Models.Add(ModelFamily)"/>. To be called once, from the program's entry.</summary>
    /// <returns>The exit code: 0 done, 1 the work failed, 2 the request was wrong, others ended by a signal.</returns>
    /// <example><code>
    /// Models.Add("TwoLayers", classes => …);
    /// return App.Run(args);
    /// </code></example>
    public static int Run(string[] args)
    {
        // Numbers look the same whatever the machine's language, in what is written and in what is said.
        (CultureInfo.CurrentCulture, CultureInfo.CurrentUICulture) = (Neutral, Neutral);
        (CultureInfo.DefaultThreadCurrentCulture, CultureInfo.DefaultThreadCurrentUICulture) = (Neutral, Neutral);
        LastingWriter.Install();
        Interrupt.Listen();

        // What happens on a thread of somebody else's ends the process as well, but with a line instead of a core dump.
        AppDomain.CurrentDomain.UnhandledException += (_, unhandled) =>
            Environment.Exit(Unexpected(unhandled.ExceptionObject as Exception));
        string? here = null;
        try
        {
            here = Environment.CurrentDirectory;
            GivenStreams.Check();
            GivenText.Check(args, here);
            var request = CommandLine.Read(Asked(args), SettingsFile.Surroundings);
            if (Libtorch.Elsewhere(request.Libtorch) is { } folder)
                return new LibtorchContext(folder).Run(args);
            return request switch
            {
                Request.Train it => TrainCommand.Run(it.Item),
                Request.Resume it => TrainCommand.Resume(it.Item),
                Request.Test it => TestCommand.Run(it.Item),
                Request.Predict it => PredictCommand.Run(it.Item),
                Request.Summary it => SummaryCommand.Run(it.Item),
                Request.Export it => ExportCommand.Run(it.Item),
                Request.Compare it => CompareCommand.Run(it.Item),
                Request.Bench it => BenchCommand.Run(it.Item),
                Request.Doctor it => DoctorCommand.Run(it.Item),
                Request.Show it => Show(it.Text),
                Request.Wrong it => Fail(it.Message, 2),
                var other => throw new InvalidOperationException($"no command answers {other}"),
            };
        }
        catch (OperationCanceledException error) when (Interrupt.Asked)
        {
            // .NET's own words for it say nothing.
            return Fail(
                error is TaskCanceledException || error.CancellationToken.CanBeCanceled ? "interrupted" : error.Message,
                Interrupt.ExitCode
            );
        }
        // What breaks a line in two is a name in it.
        catch (Exception error) when (Single(error) is RequestException wrong)
        {
            return Fail(string.Join('\n', wrong.Lines.Select(Printable.Line)), 2);
        }
        catch (Exception error) when (Single(error) is WorkException)
        {
            return Fail(Printable.Line(Single(error).Message), 1);
        }
        catch (Exception error) when (here is null)
        {
            return Fail($"the working folder is not there any more: {Line(error.Message)}", 1);
        }
        catch (Exception error) when (Single(error) is IOException or UnauthorizedAccessException or ExternalException)
        {
            return Fail(Line(Single(error).Message), 1);
        }
        catch (Exception error)
        {
            return Unexpected(Single(error));
        }

        // Ways to ask for help and for the version that other programs have.
        static string[] Asked(string[] words) =>
            words switch
            {
                ["help"] => ["--help"],
                ["help", var verb, ..] => [verb, "--help"],
                ["-V" or "version"] => ["--version"],
                _ => words,
            };
    }

    // Threads that worked side by side fail together, mostly of the same thing.
    private static Exception Single(Exception error) =>
        error is AggregateException { InnerExceptions: [var first, ..] } ? Single(first)
        : error is TypeInitializationException { InnerException: { } cause } ? Single(cause)
        : error;

    private static string Line(string message) => message.Split('\n')[0].TrimEnd('\r');

    private static int Show(string text)
    {
        Console.Out.WriteLine(text.TrimEnd());
        return 0;
    }

    private static int Fail(string message, int code)
    {
        try
        {
            Console.Error.WriteLine($"hybrid: {Printable.Message(message)}");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // It was closed or is full: the exit code is all that can be said.
        }

        return code;
    }

    private static int Unexpected(Exception? error) =>
        error is OutOfMemoryException or InsufficientMemoryException
            ? Fail("there is too little memory for this", 1)
            : Fail($"this should not have happened: {error?.GetType().Name}: {Line(error?.Message ?? "")}", 1);
}
