using System.Reflection;
using System.Runtime.InteropServices;
using System.Runtime.Loader;

namespace Hybrid.Host.Runtime;

/// <summary>
/// The program once more, with another libtorch than the one beside it. TorchSharp looks beside the program first, and
/// a process with two of them ends; only a context of its own is asked before that.
/// </summary>
internal sealed class LibtorchContext(LibtorchFolder folder) : AssemblyLoadContext(folder.Path)
{
    private static readonly Assembly Program = typeof(LibtorchContext).Assembly;

    /// <summary>Whether this code runs in such a context.</summary>
    internal static bool IsHere => GetLoadContext(Program) != Default;

    /// <returns>The program's exit code.</returns>
    internal int Run(string[] arguments)
    {
        // A program of somebody's own makes its models known before it comes here.
        var whole = Assembly.GetEntryAssembly() is { EntryPoint: not null } own ? own : Program;
        var entry = LoadFromAssemblyPath(whole.Location).EntryPoint!;
        return (int)entry.Invoke(null, BindingFlags.DoNotWrapExceptions, null, [arguments], null)!;
    }

    protected override Assembly? Load(AssemblyName name)
    {
        // The framework there is once.
        if (name.Name is null or "netstandard" || name.Name.StartsWith("System.", StringComparison.Ordinal))
            return null;
        var file = Path.Combine(Path.GetDirectoryName(Program.Location)!, $"{name.Name}.dll");
        return File.Exists(file) ? LoadFromAssemblyPath(file) : null;
    }

    protected override IntPtr LoadUnmanagedDll(string name)
    {
        var library = folder.Library(name);
        if (File.Exists(library))
            return NativeLibrary.Load(library);
        // What this libtorch lacks is not to be had from another one.
        return name.StartsWith("torch", StringComparison.Ordinal) ? throw new DllNotFoundException(library) : 0;
    }
}
