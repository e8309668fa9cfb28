using System.Reflection;
using System.Runtime.InteropServices;
using Hybrid.Command;
using Hybrid.Host.Data;
using Hybrid.Host.Runtime;
using Spectre.Console;
using static TorchSharp.torch;

namespace Hybrid.Host.Commands;

/// <summary><c>doctor</c>: what was found on this machine, and what to do about what is missing.</summary>
public static class DoctorCommand
{
    public static int Run(DoctorRequest request)
    {
        var output = new Output(request.Json);
        var facts = new List<DoctorFact>
        {
            new("hybrid", VersionOf(typeof(DoctorCommand).Assembly)),
            new(".net", RuntimeInformation.FrameworkDescription),
            new("system", $"{RuntimeInformation.OSDescription} ({RuntimeInformation.OSArchitecture})"),
            new("cores", $"{Environment.ProcessorCount}"),
            new("memory", $"{GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / (1 << 30)} GiB"),
            Shim(),
        };
        var healthy = Libtorch(facts, request.Machine);
        facts.Add(Data());

        var table = new Table().Border(TableBorder.Simple).HideHeaders().AddColumn("").AddColumn("").AddColumn("");
        foreach (var fact in facts)
            table.AddRow(Markup.Escape(fact.Name), Markup.Escape(fact.Found), Markup.Escape(fact.Advice ?? ""));
        output.People.Write(table);
        output.Result(new DoctorResult(healthy, facts));
        return healthy ? 0 : 1;
    }

    private static string VersionOf(Assembly assembly) =>
        assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0]
        ?? $"{assembly.GetName().Version}";

    private static DoctorFact Shim()
    {
        var path = Path.Combine(AppContext.BaseDirectory, "libLibTorchSharp.so");
        if (!File.Exists(path))
            return new DoctorFact("torchsharp shim", "as packaged");
        return ShimMend.Inspect(path) switch
        {
            ShimState.Mended => new(
                "torchsharp shim",
                $"mended at build time: this machine's libstdc++ lacks {ShimMend.Version}"
            ),
            ShimState.Needed when !ShimMend.MachineProvides() => new(
                "torchsharp shim",
                $"needs {ShimMend.Version}, which this machine's libstdc++ lacks",
                "build again on this machine: dotnet build -c Release"
            ),
            _ => new("torchsharp shim", "as packaged"),
        };
    }

    private static bool Libtorch(List<DoctorFact> facts, MachineRequest request)
    {
        try
        {
            var placement = Machine.Prepare(request);
            facts.Add(new("torchsharp", VersionOf(typeof(TorchSharp.torch).Assembly)));
            facts.Add(new("libtorch", $"{__version__}"));
            facts.Add(new("device", placement.Device.ToString(), Device()));
            facts.Add(new("threads", $"{get_num_threads()}"));
            facts.Add(Memory());
            return true;
        }
        catch (Exception error) when (error is WorkException or RequestException)
        {
            facts.Add(new("libtorch", error.Message, "the first lines above say what this machine has"));
            return false;
        }
    }

    private static string? Device() =>
        cuda.is_available() || mps_is_available()
            ? null
            : "no GPU in use; with an NVIDIA GPU build with -p:Libtorch=cuda";

    private static DoctorFact Memory() =>
        Allocator.State switch
        {
            AllocatorState.Kept => new("allocator", "glibc keeps freed memory (mallopt)"),
            AllocatorState.Left => new("allocator", "left as it is", "training is slower: leave out --trim-memory"),
            AllocatorState.Refused => new("allocator", "glibc refused to keep freed memory", "training is slower"),
            _ => new("allocator", "not glibc: nothing to set"),
        };

    private static DoctorFact Data()
    {
        var root = CifarArchive.DefaultRoot();
        var there = new[] { CifarVariant.Cifar10, CifarVariant.Cifar100 }
            .Where(variant => CifarFiles.Locate(variant, root) is not null)
            .Select(variant => variant.Name)
            .ToList();
        return there.Count > 0
            ? new("data", $"{string.Join(", ", there)} in {root}")
            : new("data", $"none in {root}", "--data cifar10 downloads it there; --data shapes needs none");
    }
}

/// <summary>What was found, and whether tensors can be used.</summary>
public sealed record DoctorResult(bool Healthy, IReadOnlyList<DoctorFact> Facts);

/// <summary>One thing that was looked at, and what to do about it, if anything.</summary>
public sealed record DoctorFact(string Name, string Found, string? Advice = null);
