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
public sealed class BenchWorker
{
    /// <summary>As Hybrid computes.</summary>
    public const string Own = "hybrid";

    /// <summary>Plain TorchSharp modules in a process that nothing was set for.</summary>
    public const string Naive = "naive";

    private const int MatmulSide = 2048;
    private readonly Placement _placement;
    private readonly int _batchSize;
    private readonly long? _freeAtFirst;

    private BenchWorker(Placement placement, int batchSize)
    {
        (_placement, _batchSize) = (placement, batchSize);
        _freeAtFirst = DeviceMemory.Free(placement.Device);
    }

    public static int Run(BenchRequest request)
    {
        var own = request.Worker == Own;
        var placement = own ? Machine.Prepare(request.Machine) : Plainly(request.Machine);
        var model = Models.Find(Requests.Named(request.Models[0]), 0);
        var plan = Models.Plan(model, BenchRequests.Input);
        var worker = new BenchWorker(placement, request.BatchSize);
        using var workload = own
            ? Workloads.Own(model, plan, placement, request.BatchSize)
            : Workloads.Plain(model, plan, placement.Device, request.BatchSize);
        Answer($"{Loaded.Version.Number} {placement.Device}");
        while (Console.In.ReadLine()?.Split(' ') is [var what, .. var arguments])
        {
            var seconds = arguments.Length > 0 ? double.Parse(arguments[0], CultureInfo.InvariantCulture) : 0;
            Answer(worker.Measure(what, seconds, workload).ToString("R", CultureInfo.InvariantCulture));
        }

        return 0;
    }

    private double Measure(string what, double seconds, Workload workload) =>
        what switch
        {
            "train" => _batchSize * Rate(seconds, workload.Train),
            "infer" => _batchSize * Rate(seconds, workload.Infer),
            "pipeline" => Pipeline((OwnWorkload)workload, seconds),
            "epoch" => Epoch((OwnWorkload)workload, seconds),
            "matmul" => Matmul(seconds),
            "memory" => Memory(),
            _ => throw new RequestException($"a bench worker does not know '{what}'"),
        };

    /// <summary>A GPU works on while the host goes on: a clock is read when it is done.</summary>
    private void Settle()
    {
        if (_placement.Device.type == DeviceType.CUDA)
            cuda.synchronize(_placement.Device);
    }

    /// <summary>Calls a second. The first calls do not count: they fill caches and compile.</summary>
    private double Rate(double seconds, Action work)
    {
        work();
        Settle();
        var clock = Stopwatch.StartNew();
        var calls = 0;
        do
        {
            work();
            calls++;
        } while (clock.Elapsed.TotalSeconds < seconds);
        Settle();
        return calls / clock.Elapsed.TotalSeconds;
    }

    private double Pipeline(OwnWorkload workload, double seconds)
    {
        using var batches = workload.Batches().GetEnumerator();
        return _batchSize
            * Rate(
                seconds,
                () =>
                {
                    batches.MoveNext();
                    ((IDisposable)batches.Current).Dispose();
                }
            );
    }

    private double Epoch(OwnWorkload workload, double seconds)
    {
        Stopwatch wall = Stopwatch.StartNew(),
            compute = new();
        foreach (var batch in workload.Batches())
        {
            Settle();
            compute.Start();
            workload.Train(batch);
            Settle();
            compute.Stop();
            ((IDisposable)batch).Dispose();
            if (wall.Elapsed.TotalSeconds >= seconds)
                break;
        }

        return wall.Elapsed.TotalSeconds / compute.Elapsed.TotalSeconds;
    }

    private double Matmul(double seconds)
    {
        using var scope = NewDisposeScope();
        var a = randn(MatmulSide, MatmulSide).to(_placement.DType, _placement.Device);
        var b = randn(MatmulSide, MatmulSide).to(_placement.DType, _placement.Device);
        return Math.Pow(MatmulSide, 3) / 1e9 * Rate(seconds, () => a.mm(b).Dispose());
    }

    /// <summary>MiB: the peak of what is resident, or what a GPU has less of than at first.</summary>
    private double Memory()
    {
        var bytes =
            _placement.Device.type == DeviceType.CPU
                ? Process.GetCurrentProcess().PeakWorkingSet64
                : (_freeAtFirst - DeviceMemory.Free(_placement.Device)) ?? 0;
        return bytes / (1024.0 * 1024.0);
    }

    private static Placement Plainly(MachineRequest request)
    {
        Libtorch.Load(request.Libtorch);
        Threads.Use(request.Threads);
        var device = Machine.Choose(request.Device);
        Machine.UseTf32(request.Tf32, device);
        return Placements.For(device, Precision.Float32);
    }

    private static void Answer(string line)
    {
        Console.Out.WriteLine(line);
        Console.Out.Flush();
    }
}
