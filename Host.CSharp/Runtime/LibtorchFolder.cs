using System.Runtime.InteropServices;

namespace Hybrid.Host.Runtime;

/// <summary>The native libraries of a libtorch in one folder, such as <c>torch/lib</c> of a PyTorch.</summary>
public sealed class LibtorchFolder
{
    /// <summary>What TorchSharp's native library needs, each after what it needs itself. <c>c10</c> and <c>torch_cpu</c>
    /// are in every libtorch.</summary>
    private static readonly string[] InOrder = ["c10", "torch_cpu", "c10_cuda", "torch_cuda", "torch"];

    private LibtorchFolder(string path) => Path = path;

    public string Path { get; }

    /// <param name="named">A folder with the libraries, or one that holds them in <c>lib</c>, as a libtorch download
    /// and the <c>torch</c> package of Python do.</param>
    /// <exception cref="RequestException">There is no such folder, or no libtorch in it that TorchSharp can
    /// use.</exception>
    public static LibtorchFolder Find(string named)
    {
        if (!NamedFolder.Exists(named))
            throw new RequestException($"libtorch folder '{named}': there is no such folder");
        var full = System.IO.Path.GetFullPath(named);
        var folder =
            new[] { full, System.IO.Path.Combine(full, "lib") }
                .Select(path => new LibtorchFolder(path))
                .FirstOrDefault(folder => File.Exists(folder.Library("torch_cpu")))
            ?? throw new RequestException(
                $"libtorch folder '{named}': neither it nor its lib folder has {FileOf("torch_cpu")}; "
                    + "name the lib folder of a libtorch, or torch/lib of a PyTorch"
            );
        if (LibtorchVersion.Beside(folder.Path) is { } version)
            folder.RefuseUnlessSuited(version);
        return folder;
    }

    /// <summary>Loads the libraries, so that whoever asks for one of their names from now on gets these.</summary>
    /// <returns>The version.</returns>
    /// <exception cref="RequestException">It is not the libtorch that TorchSharp needs.</exception>
    /// <exception cref="WorkException">Something that it needs itself does not load.</exception>
    public LibtorchVersion Load()
    {
        var libraries = InOrder.Select(Library).Where(File.Exists).ToList();
        LibtorchVersion? version = null;
        foreach (var library in libraries)
        {
            var handle = Load(library);
            if (library != Library("torch_cpu"))
                continue;
            version = LibtorchVersion.Beside(Path) ?? Loaded.VersionOf(handle);
            if (version is null)
                throw new RequestException(
                    $"libtorch folder '{Path}' does not say which version it is; TorchSharp needs {LibtorchVersion.Wanted}"
                );
            RefuseUnlessSuited(version);
            RefuseUnlessNamed(handle);
        }
        return version!;
    }

    /// <summary>Loads what is there of a libtorch that came with the program.</summary>
    internal static void LoadAll(string path)
    {
        foreach (var library in InOrder.Select(new LibtorchFolder(path).Library).Where(File.Exists))
            _ = NativeLibrary.TryLoad(library, out _);
    }

    private static IntPtr Load(string library)
    {
        try
        {
            return NativeLibrary.Load(library);
        }
        catch (Exception error) when (error is DllNotFoundException or BadImageFormatException)
        {
            if (NvidiaPackages.Preload(library) && NativeLibrary.TryLoad(library, out var handle))
                return handle;
            throw new WorkException($"'{library}' does not load: {Loaded.Reason(error)}", error);
        }
    }

    private void RefuseUnlessSuited(LibtorchVersion version)
    {
        var wanted = LibtorchVersion.Wanted;
        if (!version.Suits(wanted))
            throw new RequestException(
                $"libtorch folder '{Path}' is of version {version.Text}, and TorchSharp needs {wanted.Number.Major}."
                    + $"{wanted.Number.Minor}: with another one the process would end in the middle of its work. "
                    + $"PyTorch {wanted.Number} brings the right one"
            );
    }

    /// <summary>The loader knows libraries by the name that is written in them. Where that is another one (Debian adds
    /// the version), TorchSharp would bring in a second libtorch.</summary>
    private void RefuseUnlessNamed(IntPtr handle)
    {
        if (
            OperatingSystem.IsLinux()
            && (!NativeLibrary.TryLoad(FileOf("torch_cpu"), out var byName) || byName != handle)
        )
            throw new RequestException(
                $"libtorch folder '{Path}': its libraries call themselves by other names than {FileOf("torch_cpu")}; "
                    + "name the folder of a libtorch download or of a PyTorch from PyPI"
            );
    }

    /// <summary>Where a native library of that name would be.</summary>
    internal string Library(string name) => System.IO.Path.Combine(Path, FileOf(name));

    /// <summary>A native library's file on this system.</summary>
    public static string FileOf(string name) =>
        OperatingSystem.IsWindows() ? $"{name}.dll"
        : OperatingSystem.IsMacOS() ? $"lib{name}.dylib"
        : $"lib{name}.so";
}
