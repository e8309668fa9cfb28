using System.Globalization;
using TorchSharp;
using static TorchSharp.torch;

namespace Hybrid.Host.Runtime;

/// <summary>Memory for tensors.</summary>
public static class DeviceMemory
{
    private const string LinuxFacts = "/proc/meminfo";

    /// <summary>Bytes that are free on a device; null where nobody tells.</summary>
    public static long? Free(Device device)
    {
        if (device.type == DeviceType.CPU)
            return FreeOnHost();
        if (device.type != DeviceType.CUDA)
            return null;
        // The driver tells of the GPU that this thread last used.
        zeros(1, device: device).Dispose();
        return CudaDriver.Memory?.Free;
    }

    /// <summary>Bytes that a device has in all; null where nobody tells.</summary>
    public static long? All(Device device) =>
        device.type switch
        {
            DeviceType.CPU => GC.GetGCMemoryInfo().TotalAvailableMemoryBytes,
            DeviceType.CUDA => CudaDriver.Memory?.Total,
            _ => null,
        };

    /// <summary>What can be had without taking it from other programs, a container's limit considered.</summary>
    private static long FreeOnHost()
    {
        var limit = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        var available = File.Exists(LinuxFacts)
            ? File.ReadLines(LinuxFacts)
                .FirstOrDefault(line => line.StartsWith("MemAvailable:", StringComparison.Ordinal))
            : null;
        return available is null
            ? limit
            : Math.Min(
                limit,
                1024 * long.Parse(available.AsSpan(13, available.Length - 16), CultureInfo.InvariantCulture)
            );
    }
}
