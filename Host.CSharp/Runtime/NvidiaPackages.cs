using System.Runtime.InteropServices;

namespace Hybrid.Host.Runtime;

/// <summary>
/// NVIDIA's libraries where a PyTorch from PyPI has them: <c>nvidia/*/lib</c> beside the <c>torch</c> package. The
/// libraries of PyTorch name these folders themselves; where they lie elsewhere, PyTorch loads them first, and so does
/// this.
/// </summary>
internal static class NvidiaPackages
{
    /// <summary>Loads what loads, again and again until nothing more does, since one needs the other.</summary>
    /// <param name="library">A library in <c>torch/lib</c>.</param>
    /// <returns>Whether anything was loaded.</returns>
    internal static bool Preload(string library)
    {
        var packages = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(library)!, "..", "..", "nvidia"));
        if (!Directory.Exists(packages))
            return false;
        var folder = OperatingSystem.IsWindows() ? "bin" : "lib";
        var pattern = OperatingSystem.IsWindows() ? "*.dll" : "lib*.so*";
        var left = Directory
            .EnumerateDirectories(packages)
            .Select(package => Path.Combine(package, folder))
            .Where(Directory.Exists)
            .SelectMany(place => Directory.EnumerateFiles(place, pattern))
            .ToList();
        var all = left.Count;
        for (var before = all + 1; left.Count < before; )
        {
            before = left.Count;
            left.RemoveAll(file => NativeLibrary.TryLoad(file, out _));
        }
        return left.Count < all;
    }
}
