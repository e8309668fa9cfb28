using TorchSharp;

namespace Hybrid.Host.Runtime;

/// <summary>Which libtorch TorchSharp gets: the one beside the program, or the one in a folder that is named.</summary>
public static class Libtorch
{
    /// <summary>Names a folder where no option does.</summary>
    public const string Variable = "HYBRID_LIBTORCH";

    /// <summary>The folder in use; null for the libtorch beside the program.</summary>
    public static LibtorchFolder? Folder { get; private set; }

    /// <summary>The folder whose libtorch the program has to be started once more for, in a <see
    /// cref="LibtorchContext"/>; null where there is none, or where it runs there already.</summary>
    /// <param name="named">Empty for what the environment names, if anything; null where libtorch is not needed.</param>
    internal static LibtorchFolder? Elsewhere(string? named)
    {
        if (named is null || LibtorchContext.IsHere || Place(named) is not { Length: > 0 } place)
            return null;
        try
        {
            return LibtorchFolder.Find(place);
        }
        catch (RequestException)
        {
            // What is wrong with it is told by the command, which `doctor` makes a line of its report.
            return null;
        }
    }

    /// <summary>To be called before anything else touches libtorch.</summary>
    /// <param name="named">Empty for what the environment names, if anything.</param>
    /// <exception cref="RequestException">There is no libtorch that TorchSharp can use.</exception>
    /// <exception cref="WorkException">It does not load.</exception>
    public static void Load(string named)
    {
        NativeLibraries.Answer();
        var place = Place(named);
        if (place.Length > 0)
            Use(LibtorchFolder.Find(place));
        else if (!NativeLibraries.LoadBeside())
            throw new RequestException(
                $"there is no libtorch beside this program: name one with --libtorch DIR or in {Variable}"
            );
        try
        {
            torch.InitializeDeviceType(DeviceType.CPU);
        }
        catch (Exception error)
        {
            var reason = Loaded.Reason(error.InnerException ?? error);
            throw new WorkException($"libtorch does not load: {reason}. 'hybrid doctor' says more", error);
        }
    }

    /// <summary>The libtorch that came with the program, or with this library in a script. What the system has elsewhere
    /// is not looked for: it is seldom of the version that TorchSharp needs.</summary>
    private static string? Beside => NativeFolders.Find("torch_cpu");

    private static string Place(string named) =>
        named.Length > 0 ? named : Environment.GetEnvironmentVariable(Variable) ?? "";

    private static void Use(LibtorchFolder folder)
    {
        if (Folder?.Path == folder.Path)
            return;
        if (!LibtorchContext.IsHere && (Loaded.File ?? Beside) is { } own && Path.GetDirectoryName(own) != folder.Path)
            throw new RequestException(
                $"libtorch folder '{folder.Path}': this program has a libtorch of its own ('{own}'), and a process with two "
                    + "of them ends; only the program hybrid can choose. Leave the package libtorch-cpu out, or do not name another"
            );
        folder.Load();
        Folder = folder;
    }
}
