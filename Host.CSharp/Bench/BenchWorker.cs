using System.Diagnostics;
using System.Globalization;
using Hybrid.Command;
using Hybrid.Host.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Hybrid.Host.Bench;

/// <summary>
/// A child process that measures what it is told to, line by line: <c>train S</c>, <c>infer S</c>, <c>pipeline S</c>
/// and <c>matmul S</c> run for S seconds and answer with images (or billions of multiply-adds) a second, <c>epoch S</c>
/// with wall time over compute time, <c>memory</c> with the peak of resident memory in MiB. Between two lines it waits
/// and leaves the cores to others.
/// </summary>
public static class BenchWorker
{
    /// <summary>As Hybrid computes.</summary>
    public const string Own = "hybrid";

    /// <summary>Plain TorchSharp modules in a process that nothing was set for.</summary>
    public const string Naive = "naive";

    private const int MatmulSide = 2048;

    public static int Run(BenchRequest request)
    {
        var placement = request.Worker == Own ? Machine.Prepare(request.Machine) : Plainly(request.Machine);
        var model = Models.Find(Requests.Named(request.Models[0]), 0);
        var plan = Models.Plan(model, BenchRequests.Input);
        using var workload =
            request.Worker == Own
                ? Workloads.Own(model, plan, placement, request.BatchSize)
                : Workloads.Plain(model, plan, request.BatchSize);
        Answer($"{Loaded.Version.Number}");
        while (Console.In.ReadLine()?.Split(' ') is [var what, .. var arguments])
        {
            var seconds = arguments.Length > 0 ? double.Parse(arguments[0], CultureInfo.InvariantCulture) : 0;
            Answer(Measure(what, seconds, workload, placement.DType, request.BatchSize));
        }

        return 0;
    }

    private static double Measure(string what, double seconds, Workload workload, ScalarType type, int batchSize) =>
        what switch
        {
            "train" => batchSize * Rate(seconds, workload.Train),
            "infer" => batchSize * Rate(seconds, workload.Infer),
            "pipeline" => Pipeline((OwnWorkload)workload, seconds, batchSize),
            "epoch" => Epoch((OwnWorkload)workload, seconds),
            "matmul" => Matmul(seconds, type),
            "memory" => Process.GetCurrentProcess().PeakWorkingSet64 / (1024.0 * 1024.0),
            _ => throw new RequestException($"a bench worker does not know '{what}'"),
        };

    /// <summary>Calls a second. The first calls do not count: they fill caches and compile.</summary>
    private static double Rate(double seconds, Action work)
    {
        work();
        var clock = Stopwatch.StartNew();
        var calls = 0;
        do
        {
            work();
            calls++;
        } while (clock.Elapsed.TotalSeconds < seconds);
        return calls / clock.Elapsed.TotalSeconds;
    }

    private static double Pipeline(OwnWorkload workload, double seconds, int batchSize)
    {
        using var batches = workload.Batches().GetEnumerator();
        return batchSize
            * Rate(
                seconds,
                () =>
                {
                    batches.MoveNext();
                    ((IDisposable)batches.Current).Dispose();
                }
            );
    }

    private static double Epoch(OwnWorkload workload, double seconds)
    {
        Stopwatch wall = Stopwatch.StartNew(),
            compute = new();
        foreach (var batch in workload.Batches())
        {
            compute.Start();
            workload.Train(batch);
            compute.Stop();
            ((IDisposable)batch).Dispose();
            if (wall.Elapsed.TotalSeconds >= seconds)
                break;
        }

        return wall.Elapsed.TotalSeconds / compute.Elapsed.TotalSeconds;
    }

    private static double Matmul(double seconds, ScalarType type)
    {
        using var scope = NewDisposeScope();
        using var a = randn(MatmulSide, MatmulSide).to(type);
        using var b = randn(MatmulSide, MatmulSide).to(type);
        return Math.Pow(MatmulSide, 3) / 1e9 * Rate(seconds, () => a.mm(b).Dispose());
    }

    private static Placement Plainly(MachineRequest request)
    {
        Libtorch.Load(request.Libtorch);
        Threads.Use(request.Threads);
        return Placements.For(CPU, Precision.Float32);
    }

    private static void Answer(double value) => Answer(value.ToString("R", CultureInfo.InvariantCulture));

    private static void Answer(string line)
    {
        Console.Out.WriteLine(line);
        Console.Out.Flush();
    }
}
