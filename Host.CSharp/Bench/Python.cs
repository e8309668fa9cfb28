using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using Hybrid.Command;
using Hybrid.Host.Runtime;

namespace Hybrid.Host.Bench;

/// <summary>A Python that has PyTorch, to compare with.</summary>
public static class Python
{
    private const string Variable = "HYBRID_PYTHON";

    /// <summary>glibc's settings as <see cref="Allocator"/> makes them.</summary>
    private static readonly Dictionary<string, string> KeptMemory = new()
    {
        ["MALLOC_MMAP_THRESHOLD_"] = $"{1 << 30}",
        ["MALLOC_TRIM_THRESHOLD_"] = $"{int.MaxValue}",
        ["MALLOC_TOP_PAD_"] = $"{4 << 20}",
    };

    /// <param name="modules">What it has to be able to import.</param>
    /// <exception cref="RequestException">No Python here can.</exception>
    public static string Find(string modules)
    {
        string[] candidates = Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } given
            ? [given]
            : ["python3", "/usr/bin/python3", "python"];
        return candidates.FirstOrDefault(python => Imports(python, modules))
            ?? throw new RequestException(
                $"--against: {string.Join(", ", candidates)} cannot import {modules}; name a Python that can in {Variable}"
            );
    }

    /// <summary>PyTorch's training step, as it comes.</summary>
    /// <param name="device">What Hybrid's own process computes on.</param>
    public static BenchProcess Start(string python, BenchRequest request, string device, Model model) =>
        Start("pytorch", "pytorch_bench.py", python, Arguments(request, device, model), []);

    /// <summary>The same with the allocator kept and channels last.</summary>
    public static BenchProcess StartBest(string python, BenchRequest request, string device, Model model) =>
        Start(
            "pytorch, best setting",
            "pytorch_bench.py",
            python,
            [.. Arguments(request, device, model), "--channels-last"],
            KeptMemory
        );

    /// <summary>Lightning's training with its usual data loader, reading included.</summary>
    public static BenchProcess StartLightning(string python, BenchRequest request, string device, Model model) =>
        Start("lightning", "lightning_bench.py", python, Arguments(request, device, model), []);

    private static List<string> Arguments(BenchRequest request, string device, Model model)
    {
        var (net, optimizer) = Workloads.Describe(model);
        List<string> arguments =
        [
            "--net",
            net,
            "--optimizer",
            optimizer,
            "--batch-size",
            request.BatchSize.ToString(CultureInfo.InvariantCulture),
            "--threads",
            BenchRequests.ThreadsOf(request).ToString(CultureInfo.InvariantCulture),
            "--device",
            device,
        ];
        if (request.Machine.Tf32)
            arguments.Add("--tf32");
        return arguments;
    }

    private static BenchProcess Start(
        string name,
        string script,
        string python,
        IEnumerable<string> arguments,
        Dictionary<string, string> environment
    ) => BenchProcess.Start(name, python, [Script(script), .. arguments], environment);

    private static bool Imports(string python, string modules)
    {
        try
        {
            var start = new ProcessStartInfo(python, ["-c", $"import {modules}"])
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            };
            using var process = Process.Start(start);
            process?.StandardError.ReadToEnd();
            process?.WaitForExit();
            return process?.ExitCode == 0;
        }
        catch (Win32Exception)
        {
            return false;
        }
    }

    /// <summary>Beside the program, or above it in a checkout.</summary>
    private static string Script(string name)
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            var script = Path.Combine(folder.FullName, "bench", name);
            if (File.Exists(script))
                return script;
        }

        throw new RequestException($"--against: bench/{name} is not here; run this in a checkout");
    }
}
