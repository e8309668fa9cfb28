using System.Reflection;
using System.Runtime.InteropServices;
using Hybrid.Command;
using Hybrid.Host.Bench;
using Hybrid.Host.Runtime;
using Spectre.Console;

namespace Hybrid.Host.Commands;

/// <summary>
/// <c>bench</c>: images a second of training, inference and the input pipeline. What is compared is measured in turns,
/// each in a process of its own, so that a machine that is busy for a while is so for all.
/// </summary>
public static class BenchCommand
{
    public static int Run(BenchRequest request)
    {
        if (request.Worker.Length > 0)
            return BenchWorker.Run(request);
        var output = new Output(request.Json);
        var python = request.Against.Contains("pytorch") ? Python.Find("torch") : null;
        var lightning = request.Against.Contains("lightning") ? Python.Find("torch, torchvision") : null;
        var (peak, libtorch, device) = Peak(request);
        var models = new List<BenchModel>();
        foreach (var name in request.Models)
        {
            output.Line($"{name} …");
            models.Add(Measure(request, name, peak, python, lightning, device));
        }

        var result = new BenchResult(
            MachineOf(libtorch),
            device,
            request.Machine.Precision.ToString()!.ToLowerInvariant(),
            request.BatchSize,
            BenchRequests.ThreadsOf(request),
            request.Repeats,
            request.Seconds,
            Math.Round(peak, 1),
            models
        );
        Show(result, output);
        output.Result(result);
        return 0;
    }

    private static (double Peak, string Libtorch, string Device) Peak(BenchRequest request)
    {
        using var process = Own(request, request.Models[0]);
        var peak = Repeat(request, () => process.Measure("matmul", request.Seconds)).Max();
        return (peak, process.Version, process.Device);
    }

    private static BenchProcess Own(BenchRequest request, string model) =>
        BenchProcess.StartSelf(BenchWorker.Own, BenchRequests.Worker(request, model, BenchWorker.Own));

    private static List<double> Repeat(BenchRequest request, Func<double> measure) =>
        [.. Enumerable.Range(0, request.Repeats).Select(_ => measure())];

    private static BenchModel Measure(
        BenchRequest request,
        string name,
        double peak,
        string? python,
        string? lightning,
        string device
    )
    {
        var model = Models.Find(Requests.Named(name), 0);
        var processes = new List<BenchProcess>();
        try
        {
            processes.Add(Own(request, name));
            if (request.Against.Contains(BenchWorker.Naive))
                processes.Add(
                    BenchProcess.StartSelf(BenchWorker.Naive, BenchRequests.Worker(request, name, BenchWorker.Naive))
                );
            if (python is not null)
                processes.AddRange([
                    Python.Start(python, request, device, model),
                    Python.StartBest(python, request, device, model),
                ]);
            if (lightning is not null)
                processes.Add(Python.StartLightning(lightning, request, device, model));
            return Measure(request, model, peak, processes);
        }
        finally
        {
            processes.ForEach(process => process.Dispose());
        }
    }

    private static BenchModel Measure(BenchRequest request, Model model, double peak, List<BenchProcess> processes)
    {
        // One array a process, one number a repeat.
        List<double>[] InTurns(string what)
        {
            var rates = processes.Select(_ => new List<double>()).ToArray();
            for (var repeat = 0; repeat < request.Repeats; repeat++)
            for (var place = 0; place < processes.Count; place++)
                rates[place].Add(processes[place].Measure(what, request.Seconds));
            return rates;
        }

        var train = InTurns("train");
        var memory = processes.Select(process => Math.Round(process.Measure("memory"))).ToList();
        var infer = InTurns("infer");
        var own = processes[0];
        var pipeline = Repeat(request, () => own.Measure("pipeline", request.Seconds));
        var epoch = Repeat(request, () => own.Measure("epoch", request.Seconds));
        var summary = Models.Summarise(Models.Plan(model, BenchRequests.Input));
        double Fraction(Spread rate, int passes) => Math.Round(rate.Median * summary.Macs * passes / 1e9 / peak, 3);
        var (trained, inferred) = (Spread.Of(train[0]), Spread.Of(infer[0]));
        return new BenchModel(
            model.Name,
            summary.Params,
            summary.Macs,
            trained,
            inferred,
            Spread.Of(pipeline),
            Spread.Of(epoch),
            memory[0],
            Fraction(trained, 3),
            Fraction(inferred, 1),
            [
                .. Enumerable
                    .Range(1, processes.Count - 1)
                    .Select(place => new BenchComparison(
                        processes[place].Name,
                        processes[place].Version,
                        Spread.Of(train[place]),
                        Spread.Of(infer[place]),
                        Spread.Ratio(train[0], train[place]),
                        Spread.Ratio(infer[0], infer[place]),
                        memory[place]
                    )),
            ]
        );
    }

    private static BenchMachine MachineOf(string libtorch)
    {
        static string Version(Assembly assembly) =>
            assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0]
            ?? $"{assembly.GetName().Version}";
        return new BenchMachine(
            Processor(),
            Environment.ProcessorCount,
            $"{RuntimeInformation.OSDescription} ({RuntimeInformation.OSArchitecture})",
            RuntimeInformation.FrameworkDescription,
            Version(typeof(BenchCommand).Assembly),
            Version(typeof(TorchSharp.torch).Assembly),
            libtorch
        );
    }

    private static string Processor()
    {
        const string Facts = "/proc/cpuinfo";
        var line = File.Exists(Facts)
            ? File.ReadLines(Facts).FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal))
            : null;
        return line?.Split(':', 2)[1].Trim() ?? $"{RuntimeInformation.ProcessArchitecture}";
    }

    private static void Show(BenchResult result, Output output)
    {
        output.Line(
            $"{result.Machine.Processor}, {result.Device}, {Counted.Of(result.Threads, "thread")}, {result.Precision}, batches of {result.BatchSize}, "
                + $"libtorch {result.Machine.Libtorch}; medians of {result.Repeats} (least to largest), images a second"
        );
        output.Line($"A large matrix product: {result.PeakGmacs:F0} billion multiply-adds a second");
        string[] headings = ["", "Training", "Inference", "Pipeline", "Epoch/compute", "Peak MiB", "Of the product"];
        var table = new Table().Border(TableBorder.Simple);
        foreach (var heading in headings)
            table.AddColumn(heading.Length == 0 ? new TableColumn("") : new TableColumn(heading).RightAligned());
        foreach (var model in result.Models)
        {
            table.AddRow(
                model.Model,
                Text(model.Train, "F0"),
                Text(model.Infer, "F0"),
                Text(model.Pipeline, "F0"),
                Text(model.EpochOverCompute, "F3"),
                $"{model.PeakMemoryMib:F0}",
                $"{Output.Percent(model.TrainPeakFraction)} / {Output.Percent(model.InferPeakFraction)}"
            );
            foreach (var other in model.Against)
            {
                table.AddRow(
                    $"  {other.Name}",
                    Text(other.Train, "F0"),
                    Text(other.Infer, "F0"),
                    "",
                    "",
                    $"{other.PeakMemoryMib:F0}"
                );
                table.AddRow("  → times", Text(other.TrainRatio, "F2"), Text(other.InferRatio, "F2"));
            }
        }

        output.People.Write(table);
    }

    private static string Text(Spread spread, string format) =>
        $"{spread.Median.ToString(format)} ({spread.Min.ToString(format)}–{spread.Max.ToString(format)})";
}
