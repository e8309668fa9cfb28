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

    /// <exception cref="RequestException">No Python here has PyTorch.</exception>
    public static string Find()
    {
        string[] candidates = Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } given
            ? [given]
            : ["python3", "/usr/bin/python3", "python"];
        return candidates.FirstOrDefault(HasTorch)
            ?? throw new RequestException(
                $"--against pytorch: {string.Join(", ", candidates)} has no torch; name a Python that has in {Variable}"
            );
    }

    /// <param name="device">What Hybrid's own process computes on.</param>
    /// <param name="best">With the allocator kept and channels last, instead of as it comes.</param>
    public static BenchProcess Start(string python, BenchRequest request, string device, Model model, bool best)
    {
        var (net, optimizer) = Workloads.Describe(model);
        List<string> arguments =
        [
            Script(),
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
        if (best)
            arguments.Add("--channels-last");
        return BenchProcess.Start(
            best ? "pytorch, best setting" : "pytorch",
            python,
            arguments,
            best ? KeptMemory : new Dictionary<string, string>()
        );
    }

    private static bool HasTorch(string python)
    {
        try
        {
            var start = new ProcessStartInfo(python, ["-c", "import torch"])
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
    private static string Script()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            var script = Path.Combine(folder.FullName, "bench", "pytorch_bench.py");
            if (File.Exists(script))
                return script;
        }

        throw new RequestException("--against pytorch: bench/pytorch_bench.py is not here; run this in a checkout");
    }
}
