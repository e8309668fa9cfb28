using System.Runtime.InteropServices;
using System.Text;

namespace Hybrid.Host.Runtime;

/// <summary>What NVIDIA's driver says of itself and of its GPUs; TorchSharp does not hand this on. Everything is null
/// or 0 where there is no driver.</summary>
public static partial class CudaDriver
{
    private const string Driver = "cuda-driver";
    private const int Success = 0;

    static CudaDriver() =>
        NativeLibrary.SetDllImportResolver(
            typeof(CudaDriver).Assembly,
            (name, _, _) => name == Driver && NativeLibrary.TryLoad(File, out var handle) ? handle : 0
        );

    /// <summary>The driver's own library.</summary>
    public static string File => OperatingSystem.IsWindows() ? "nvcuda.dll" : "libcuda.so.1";

    public static bool IsHere => NativeLibrary.TryLoad(File, out _);

    /// <summary>The newest CUDA that it runs.</summary>
    public static Version? Supports =>
        IsHere && cuDriverGetVersion(out var number) == Success ? new Version(number / 1000, number % 1000 / 10) : null;

    /// <summary>GPUs that this process may use.</summary>
    public static int Devices =>
        IsHere && cuInit(0) == Success && cuDeviceGetCount(out var count) == Success ? count : 0;

    /// <summary>As it is sold.</summary>
    public static string? NameOf(int device)
    {
        var text = new byte[256];
        return
            device < Devices
            && cuDeviceGet(out var handle, device) == Success
            && cuDeviceGetName(text, text.Length, handle) == Success
            ? Encoding.UTF8.GetString(text).TrimEnd('\0')
            : null;
    }

    /// <summary>Free bytes and all bytes of the GPU that this thread last computed on.</summary>
    public static (long Free, long Total)? Memory =>
        IsHere && cuMemGetInfo_v2(out var free, out var total) == Success ? ((long)free, (long)total) : null;

    [LibraryImport(Driver)]
    private static partial int cuInit(uint flags);

    [LibraryImport(Driver)]
    private static partial int cuDriverGetVersion(out int version);

    [LibraryImport(Driver)]
    private static partial int cuDeviceGetCount(out int count);

    [LibraryImport(Driver)]
    private static partial int cuDeviceGet(out int device, int ordinal);

    [LibraryImport(Driver)]
    private static partial int cuDeviceGetName([Out] byte[] name, int length, int device);

    [LibraryImport(Driver)]
    private static partial int cuMemGetInfo_v2(out nuint free, out nuint total);
}
