using System.Globalization;
using Hybrid.Command;

namespace Hybrid.Host.Bench;

/// <summary>How the processes of a measurement are started.</summary>
public static class BenchRequests
{
    /// <summary>All is measured on images of CIFAR's size.</summary>
    public static Shape Input { get; } = Shape.NewImage(3, 32, 32);

    /// <summary>Arguments of a child process that runs <paramref name="model"/>.</summary>
    public static List<string> Worker(BenchRequest request, string model, string worker)
    {
        List<string> arguments =
        [
            "bench",
            "--worker",
            worker,
            "--models",
            model,
            "--batch-size",
            Number(request.BatchSize),
            "--threads",
            Number(ThreadsOf(request)),
        ];
        arguments.AddRange(["--device", request.Machine.Device]);
        if (request.Machine.Libtorch.Length > 0)
            arguments.AddRange(["--libtorch", request.Machine.Libtorch]);
        if (request.Machine.Tf32)
            arguments.Add("--tf32");
        if (worker != BenchWorker.Own)
            return arguments;
        arguments.AddRange(["--precision", request.Machine.Precision.ToString()!.ToLowerInvariant()]);
        if (request.Machine.TrimMemory)
            arguments.Add("--trim-memory");
        return arguments;
    }

    public static int ThreadsOf(BenchRequest request) =>
        request.Machine.Threads > 0 ? request.Machine.Threads : Environment.ProcessorCount;

    private static string Number(int value) => value.ToString(CultureInfo.InvariantCulture);
}
