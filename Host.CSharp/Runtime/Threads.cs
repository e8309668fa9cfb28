using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace Hybrid.Host.Runtime;

/// <summary>libtorch's threads.</summary>
public static partial class Threads
{
    /// <summary>
    /// How often a thread of libgomp looks whether the others are done before it goes to sleep. By default it looks
    /// for milliseconds; where another program holds a core, every parallel region then waits for that long.
    /// </summary>
    private const string SpinCount = "1000";

    /// <summary>To be called before libtorch is loaded: libgomp reads its environment once. What the user has set
    /// stays.</summary>
    public static void WaitBriefly()
    {
        // The runtime keeps its own copy of the environment; native code sees only what setenv puts there.
        if (OperatingSystem.IsLinux() && Environment.GetEnvironmentVariable("OMP_WAIT_POLICY") is null)
            _ = setenv("GOMP_SPINCOUNT", SpinCount, overwrite: 0);
    }

    /// <param name="wanted">0 for the machine's cores.</param>
    public static void Use(int wanted) => set_num_threads(wanted > 0 ? wanted : Environment.ProcessorCount);

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int setenv(string name, string value, int overwrite);
}
