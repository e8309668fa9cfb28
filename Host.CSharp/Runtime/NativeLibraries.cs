using System.Reflection;
using System.Runtime.InteropServices;
using System.Runtime.Loader;
using System.Runtime.Versioning;
using TorchSharp;

namespace Hybrid.Host.Runtime;

/// <summary>
/// Answers where the runtime has found no native library for TorchSharp: in a script the packages lie in a cache, each in
/// a folder of its own, and TorchSharp's own library may be one that this machine can load only once it is mended.
/// </summary>
internal static class NativeLibraries
{
    private const string Shim = "LibTorchSharp";

    private static readonly Lazy<bool> Answering = new(() =>
    {
        AssemblyLoadContext.GetLoadContext(typeof(torch).Assembly)!.ResolvingUnmanagedDll += Resolve;
        return true;
    });

    /// <summary>To be called before TorchSharp asks for the first of them. Calling it again changes nothing.</summary>
    internal static void Answer() => _ = Answering.Value;

    /// <summary>Loads the libtorch that came with the program. The runtime would sooner take what the system has under that
    /// name, which is seldom of the version that TorchSharp needs.</summary>
    /// <returns>Whether there is one.</returns>
    internal static bool LoadBeside()
    {
        if (NativeFolders.Find("torch_cpu") is not { } library)
            return false;
        LibtorchFolder.LoadAll(Path.GetDirectoryName(library)!);
        return true;
    }

    /// <returns>0 where there is no answer here either.</returns>
    private static IntPtr Resolve(Assembly assembly, string name)
    {
        if (name == Shim)
            return OperatingSystem.IsLinux() ? LoadShim() : 0;
        return
            name.StartsWith("torch", StringComparison.Ordinal)
            && NativeFolders.Find(name) is { } library
            && NativeLibrary.TryLoad(library, out var handle)
            ? handle
            : 0;
    }

    /// <summary>TorchSharp's library finds libtorch by the names of what is loaded, so that it may lie elsewhere.</summary>
    [SupportedOSPlatform("linux")]
    private static IntPtr LoadShim()
    {
        if (NativeFolders.Find(Shim) is not { } shim)
            return 0;
        if (NativeLibrary.TryLoad(shim, out var handle))
            return handle;
        return ShimMend.Inspect(shim) == ShimState.Needed ? NativeLibrary.Load(ShimMend.InCache(shim)) : 0;
    }
}
