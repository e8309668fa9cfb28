using Hybrid.Command;
using TorchSharp;
using static TorchSharp.torch;

namespace Hybrid.Host.Runtime;

/// <summary>The machine made ready for a request: allocator, libtorch, threads, device.</summary>
public static class Machine
{
    /// <summary>Prepares the process and says where tensors are to be. Nothing else may touch libtorch before.</summary>
    /// <exception cref="RequestException">The device is not to be had here.</exception>
    public static Placement Prepare(MachineRequest request)
    {
        if (!request.TrimMemory)
            Allocator.KeepMemory();
        Threads.WaitBriefly();
        Libtorch.Load(request.Libtorch);
        Threads.Use(request.Threads);
        var device = Choose(request.Device);
        UseTf32(request.Tf32, device);
        return Placements.For(device, request.Precision);
    }

    /// <summary>The device that a request names; <c>auto</c> takes CUDA or MPS where there is one.</summary>
    /// <exception cref="RequestException">It is not to be had here; the message says why.</exception>
    public static Device Choose(string name)
    {
        if (name == "auto")
            return cuda.is_available() ? CUDA
                : mps_is_available() ? MPS
                : CPU;
        if (name == "cpu")
            return CPU;
        if (name == "mps")
            return mps_is_available() ? MPS : throw Missing("mps", "it needs an Apple GPU");
        if (!cuda.is_available())
            throw Missing(name, WhyNoCuda());
        var number = name.Length > 5 ? int.Parse(name.AsSpan(5)) : 0;
        var count = cuda.device_count();
        return number < count
            ? new Device(DeviceType.CUDA, number)
            : throw new RequestException(
                $"there is no device {name}: this machine has "
                    + (count == 1 ? "cuda:0 alone" : $"cuda:0 to cuda:{count - 1}")
            );
    }

    /// <summary>What keeps this process from computing on an NVIDIA GPU.</summary>
    public static string WhyNoCuda()
    {
        if (!Loaded.HasCuda)
            return $"the libtorch in use{(Libtorch.Folder is { } folder ? $" ('{folder.Path}')" : "")} is built for the "
                + "CPU alone; build with -p:Libtorch=cuda, or name a libtorch that has CUDA with --libtorch";
        if (CudaDriver.Supports is not { } driver)
            return $"no NVIDIA driver is installed ({CudaDriver.File} does not load)";
        if (Loaded.Version.Cuda is { } built && driver < Version.Parse(built))
            return $"the NVIDIA driver runs CUDA up to {driver}, and libtorch is built for {built}: update the driver";
        return CudaDriver.Devices == 0
            ? "the NVIDIA driver shows this process no GPU (is CUDA_VISIBLE_DEVICES set?)"
            : "CUDA does not start; nvidia-smi says more";
    }

    /// <summary>libtorch by itself would round float32 to TF32 in convolutions and not in matrix products; here both
    /// do as asked.</summary>
    /// <exception cref="RequestException">It is wanted where there is none.</exception>
    public static void UseTf32(bool wanted, Device device)
    {
        if (wanted && device.type != DeviceType.CUDA)
            throw new RequestException($"--tf32 is for NVIDIA GPUs, and the device is {device}");
        backends.cuda.matmul.allow_tf32 = wanted;
        backends.cudnn.allow_tf32 = wanted;
    }

    private static RequestException Missing(string device, string reason) =>
        new($"device {device} is not to be had here: {reason}");
}
