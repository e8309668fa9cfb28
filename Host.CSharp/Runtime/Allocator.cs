using System.Runtime.InteropServices;

namespace Hybrid.Host.Runtime;

/// <summary>What was done about the C library's allocator.</summary>
public enum AllocatorState
{
    /// <summary>Freed memory stays with the process.</summary>
    Kept,

    /// <summary>Left as it is because the user asked for that.</summary>
    Left,

    /// <summary>Not glibc: there is nothing to set.</summary>
    NotGlibc,

    /// <summary>glibc refused the setting.</summary>
    Refused,
}

/// <summary>
/// Makes glibc keep what is freed. By default it maps every large tensor anew and unmaps it when it is freed, and the
/// page faults of the fresh mappings cost more than the arithmetic on them.
/// </summary>
public static partial class Allocator
{
    // malloc.h of glibc: what mallopt's first argument names.
    private const int TrimThreshold = -1;
    private const int TopPad = -2;
    private const int MmapThreshold = -3;

    public static AllocatorState State { get; private set; } = AllocatorState.Left;

    /// <summary>To be called before the first tensor is made.</summary>
    public static void KeepMemory()
    {
        if (!OperatingSystem.IsLinux() || !IsGlibc())
        {
            State = AllocatorState.NotGlibc;
            return;
        }

        var set =
            mallopt(MmapThreshold, 1 << 30) != 0
            && mallopt(TrimThreshold, int.MaxValue) != 0
            && mallopt(TopPad, 4 << 20) != 0;
        State = set ? AllocatorState.Kept : AllocatorState.Refused;
    }

    private static bool IsGlibc() =>
        NativeLibrary.TryLoad("libc.so.6", out var libc)
        && NativeLibrary.TryGetExport(libc, "gnu_get_libc_version", out _);

    [LibraryImport("libc.so.6")]
    private static partial int mallopt(int parameter, int value);
}
