using System.Runtime.InteropServices;
using Hybrid;
using Hybrid.Command;
using Hybrid.Host.Commands;
using Hybrid.Host.Runtime;

Interrupt.Listen();
var here = Environment.CurrentDirectory;
try
{
    return CommandLine.Read(args, Environment.GetEnvironmentVariable("HOME") ?? "") switch
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
catch (OtherLibtorchException other)
{
    Environment.CurrentDirectory = here;
    return new LibtorchContext(other.Folder).Run(args);
}
catch (Exception error) when (error is RequestException or WrongRequestException)
{
    return Fail(error.Message, 2);
}
catch (WorkException error)
{
    return Fail(error.Message, 1);
}
catch (Exception error) when (error is IOException or UnauthorizedAccessException or ExternalException)
{
    return Fail(error.Message.Split('\n')[0], 1);
}
catch (OperationCanceledException error) when (Interrupt.Asked)
{
    return Fail(error.Message, Interrupt.ExitCode);
}

static int Show(string text)
{
    Console.Out.WriteLine(text.TrimEnd());
    return 0;
}

static int Fail(string message, int code)
{
    Console.Error.WriteLine($"hybrid: {Printable.Message(message)}");
    return code;
}
