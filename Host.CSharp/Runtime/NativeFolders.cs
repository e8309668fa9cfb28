using TorchSharp;

namespace Hybrid.Host.Runtime;

/// <summary>Where the native libraries of TorchSharp and of libtorch may lie, wherever this library was started from: a
/// program's output, a published folder, a package cache that a script takes them from.</summary>
internal static class NativeFolders
{
    private static string Platform =>
        OperatingSystem.IsWindows() ? "win-x64"
        : OperatingSystem.IsMacOS() ? "osx-arm64"
        : "linux-x64";

    /// <summary>The first file of that name; null where there is none.</summary>
    public static string? Find(string library) =>
        All().Select(folder => Path.Combine(folder, LibtorchFolder.FileOf(library))).FirstOrDefault(File.Exists);

    private static IEnumerable<string> All()
    {
        var program = AppContext.BaseDirectory;
        var torchSharp = FolderOf(typeof(torch).Assembly.Location);
        foreach (var folder in SearchedByTheRuntime())
            yield return folder;
        foreach (var folder in new[] { program, torchSharp, FolderOf(typeof(NativeFolders).Assembly.Location) })
        {
            yield return folder;
            yield return Natives(folder);
        }

        // packages/torchsharp/VERSION/lib/FRAMEWORK/TorchSharp.dll
        var package = Path.GetFullPath(Path.Combine(torchSharp, "..", ".."));
        yield return Natives(package);
        yield return Natives(
            Path.Combine(package, "..", "..", $"libtorch-cpu-{Platform}", $"{LibtorchVersion.Wanted.Number}")
        );
    }

    private static IEnumerable<string> SearchedByTheRuntime() =>
        ((string?)AppContext.GetData("NATIVE_DLL_SEARCH_DIRECTORIES") ?? "").Split(
            Path.PathSeparator,
            StringSplitOptions.RemoveEmptyEntries
        );

    private static string Natives(string folder) => Path.Combine(folder, "runtimes", Platform, "native");

    // A program in a single file has no place of its own for each assembly.
    private static string FolderOf(string assembly) =>
        assembly.Length > 0 ? Path.GetDirectoryName(assembly)! : AppContext.BaseDirectory;
}
