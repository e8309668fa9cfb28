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
    private const string LibtorchAdvice =
        "--libtorch DIR and HYBRID_LIBTORCH name the folder of a libtorch, such as torch/lib of a PyTorch; see docs/gpu.md";

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
            new(
                "torchsharp",
                $"{VersionOf(typeof(TorchSharp.torch).Assembly)}, made for libtorch {LibtorchVersion.Wanted}"
            ),
            Shim(),
        };
        var healthy = Tensors(facts, request.Machine);
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
        if (NativeFolders.Find("LibTorchSharp") is not { } path)
            return new DoctorFact("torchsharp shim", "as packaged");
        return ShimMend.Inspect(path) switch
        {
            ShimState.Mended => new(
                "torchsharp shim",
                $"mended at build time: this machine's libstdc++ lacks {ShimMend.Version}"
            ),
            ShimState.Needed when !ShimMend.MachineProvides() => new(
                "torchsharp shim",
                $"mended in a copy below {UserCache.Folder("native")}: this machine's libstdc++ lacks {ShimMend.Version}"
            ),
            _ => new("torchsharp shim", "as packaged"),
        };
    }

    private static bool Tensors(List<DoctorFact> facts, MachineRequest request)
    {
        try
        {
            var placement = Machine.Prepare(request);
            facts.Add(Libtorch());
            facts.Add(Device(placement.Device));
            facts.Add(new("threads", $"{get_num_threads()}"));
            facts.Add(
                Training.OwnConvolutions
                    ? new("3×3 convolutions", "in float32 training Hybrid's own, by vectors of 512 bits")
                    : new("3×3 convolutions", "libtorch's: this processor has no AVX-512")
            );
            facts.Add(Memory());
            return true;
        }
        catch (Exception error) when (error is WorkException or RequestException)
        {
            if (Loaded.File is null)
                facts.Add(new("libtorch", error.Message, LibtorchAdvice));
            else
                facts.AddRange([Libtorch(), new("device", error.Message)]);
            return false;
        }
    }

    private static DoctorFact Libtorch() => new("libtorch", $"{Loaded.Version}, {Loaded.File ?? "beside the program"}");

    private static DoctorFact Device(Device device)
    {
        if (device.type != TorchSharp.DeviceType.CUDA)
            return new(
                "device",
                device.ToString(),
                mps_is_available() ? null : $"no GPU in use: {Machine.WhyNoCuda()}"
            );
        // To see its memory something must be there.
        using var touch = zeros(1, device: device);
        var memory = CudaDriver.Memory is { } it ? $", {Gibibytes(it.Free)} of {Gibibytes(it.Total)} free" : "";
        return new(
            "device",
            $"{device}, {CudaDriver.NameOf(Math.Max(0, device.index))}{memory}, driver for CUDA {CudaDriver.Supports}"
        );
    }

    private static string Gibibytes(long bytes) => $"{bytes / (double)(1 << 30):F1} GiB";

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
