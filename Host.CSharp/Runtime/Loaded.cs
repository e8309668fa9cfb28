using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Hybrid.Host.Runtime;

/// <summary>The libtorch that this process runs, as the process itself knows it.</summary>
public static partial class Loaded
{
    /// <summary>The file of its main library; null where the system does not tell.</summary>
    public static string? File =>
        Process
            .GetCurrentProcess()
            .Modules.Cast<ProcessModule>()
            .Select(module => module.FileName)
            .FirstOrDefault(file =>
                Path.GetFileName(file)
                    .StartsWith(LibtorchFolder.FileOf("torch_cpu"), StringComparison.OrdinalIgnoreCase)
            );

    /// <summary>Its version; what TorchSharp wants where the system does not tell.</summary>
    public static LibtorchVersion Version =>
        File is { } file
            ? LibtorchVersion.Beside(Path.GetDirectoryName(file)!)
                ?? (NativeLibrary.TryLoad(file, out var handle) ? VersionOf(handle) : null)
                ?? LibtorchVersion.Wanted
            : LibtorchVersion.Wanted;

    /// <summary>Whether it was built with CUDA.</summary>
    public static bool HasCuda =>
        File is { } file
        && System.IO.File.Exists(Path.Combine(Path.GetDirectoryName(file)!, LibtorchFolder.FileOf("torch_cuda")));

    /// <summary>The version that a loaded <c>torch_cpu</c> names; null where it is so old that it does not.</summary>
    internal static unsafe LibtorchVersion? VersionOf(IntPtr library) =>
        NativeLibrary.TryGetExport(library, "aoti_torch_abi_version", out var function)
            ? LibtorchVersion.OfAbi(((delegate* unmanaged<ulong>)function)())
            : null;

    /// <summary>What the loader says: the first thing that is missing, without the advice around it.</summary>
    internal static string Reason(Exception error)
    {
        var lines = error.Message.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        return lines.FirstOrDefault(line => line.Contains("cannot open", StringComparison.Ordinal)) ?? lines[0];
    }
}
