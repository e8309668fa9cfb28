using Hybrid.Command;
using TorchSharp;
using static TorchSharp.torch;

namespace Hybrid.Host.Runtime;

/// <summary>The machine made ready for a request: allocator, threads, device.</summary>
public static class Machine
{
    /// <summary>Prepares the process and says where tensors are to be. Nothing else may touch libtorch before.</summary>
    /// <exception cref="RequestException">The device is not to be had here.</exception>
    public static Placement Prepare(MachineRequest request)
    {
        if (!request.TrimMemory)
            Allocator.KeepMemory();
        Threads.WaitBriefly();
        LoadLibtorch();
        Threads.Use(request.Threads);
        return Placements.For(Choose(request.Device), request.Precision);
    }

    /// <summary>The device that a request names; <c>auto</c> takes CUDA or MPS where there is one.</summary>
    /// <exception cref="RequestException">It is not to be had here; the message says what is.</exception>
    public static Device Choose(string name)
    {
        if (name == "auto")
            return cuda.is_available() ? CUDA
                : mps_is_available() ? MPS
                : CPU;
        if (name == "cpu")
            return CPU;
        if (name == "mps")
            return mps_is_available() ? MPS : throw Missing("mps", "an Apple GPU");
        if (!cuda.is_available())
            throw Missing(name, "an NVIDIA GPU, its driver and a CUDA build of libtorch (-p:Libtorch=cuda)");
        var number = name.Length > 5 ? int.Parse(name.AsSpan(5)) : 0;
        var count = cuda.device_count();
        return number < count
            ? new Device(DeviceType.CUDA, number)
            : throw new RequestException($"there is no device {name}: this machine has cuda:0 to cuda:{count - 1}");
    }

    private static RequestException Missing(string device, string needs) =>
        new($"device {device} is not to be had here: it needs {needs}. 'hybrid doctor' says what was found");

    /// <exception cref="WorkException">libtorch does not load.</exception>
    private static void LoadLibtorch()
    {
        try
        {
            InitializeDeviceType(DeviceType.CPU);
        }
        catch (Exception error)
        {
            var reason = (error.InnerException ?? error).Message.Split('\n')[0];
            throw new WorkException($"libtorch does not load: {reason}. 'hybrid doctor' says more", error);
        }
    }
}
