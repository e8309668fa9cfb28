using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using System.Security.Cryptography;

namespace Hybrid.Host.Runtime;

/// <summary>What TorchSharp's native library asks of the machine's C++ runtime.</summary>
public enum ShimState
{
    /// <summary>No 64-bit ELF shared object, or a damaged one.</summary>
    NotElf,

    /// <summary>It does not ask for <see cref="ShimMend.Version"/>.</summary>
    NotNeeded,

    /// <summary>It insists on <see cref="ShimMend.Version"/>.</summary>
    Needed,

    /// <summary>It prefers <see cref="ShimMend.Version"/> and loads without it.</summary>
    Mended,
}

/// <summary>
/// Lets TorchSharp load on Debian 12 and Ubuntu 22.04. Its <c>libLibTorchSharp.so</c> was linked with GCC 13, which
/// records a need for GLIBCXX_3.4.32 though the one symbol of that version is a marker nothing refers to. The mend sets
/// VER_FLG_WEAK on that one need, ELF's own word for a version that a library can do without: no code changes.
/// </summary>
public static class ShimMend
{
    public const string Version = "GLIBCXX_3.4.32";

    /// <summary>The marker by which GCC 13's iostream header says that the library initialises the streams.</summary>
    private const string Marker = "_ZSt21ios_base_library_initv";
    private const ushort Weak = 2;

    /// <summary>Where an entry of <c>.gnu.version_r</c> keeps its flags, and the number that symbols know it by.</summary>
    private readonly record struct Need(long FlagsAt, ushort Flags, ushort Index);

    public static ShimState Inspect(string path) => Inspect(File.ReadAllBytes(path));

    public static ShimState Inspect(ReadOnlySpan<byte> image)
    {
        try
        {
            return Find(new ElfImage(image)) switch
            {
                null => ShimState.NotNeeded,
                { Flags: var flags } => (flags & Weak) != 0 ? ShimState.Mended : ShimState.Needed,
            };
        }
        catch (InvalidDataException)
        {
            return ShimState.NotElf;
        }
    }

    /// <summary>Writes <paramref name="source"/>, mended, to <paramref name="destination"/>.</summary>
    /// <exception cref="InvalidDataException">The file is no ELF shared object, is damaged, or really uses
    /// <see cref="Version"/>; nothing is written then.</exception>
    public static void Apply(string source, string destination)
    {
        var image = File.ReadAllBytes(source);
        var elf = new ElfImage(image);
        if (Find(elf) is { } need && (need.Flags & Weak) == 0)
        {
            RefuseIfUsed(elf, need.Index);
            BinaryPrimitives.WriteUInt16LittleEndian(image.AsSpan((int)need.FlagsAt), (ushort)(need.Flags | Weak));
        }
        Replace(image, destination);
    }

    /// <summary>The mended copy of <paramref name="source"/> in the user's cache, for whoever takes the library from a
    /// package. What lies there is not trusted: it is what is expected, or it is written anew.</summary>
    /// <exception cref="InvalidDataException">As <see cref="Apply"/>.</exception>
    [SupportedOSPlatform("linux")]
    internal static string InCache(string source)
    {
        var digest = Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(source)))[..16];
        foreach (
            var folder in new[]
            {
                UserCache.Folder("native"),
                Path.Combine(Path.GetTempPath(), $"hybrid-{Environment.UserName}"),
            }
        )
        {
            var copy = Path.Combine(folder, $"{Path.GetFileNameWithoutExtension(source)}-{digest}.so");
            try
            {
                Directory.CreateDirectory(
                    folder,
                    UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute
                );
                Apply(source, copy);
                return copy;
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                // A service without a home has a temporary folder.
            }
        }
        throw new WorkException(
            $"'{source}' has to be mended for this machine, and neither the user's cache nor the temporary folder can be written to"
        );
    }

    /// <summary>What a build does with the library: mends it where this machine lacks <see cref="Version"/>, else
    /// copies it. Returns the state of what was written.</summary>
    public static ShimState Install(string source, string destination)
    {
        if (OperatingSystem.IsLinux() && Inspect(source) == ShimState.Needed && !MachineProvides())
            Apply(source, destination);
        else
            Replace(File.ReadAllBytes(source), destination);
        return Inspect(destination);
    }

    /// <summary>Whether the C++ runtime that this machine's loader finds has <see cref="Version"/>.</summary>
    public static bool MachineProvides()
    {
        if (!NativeLibrary.TryLoad("libstdc++.so.6", out _))
            return false;
        // The loader alone knows which file it chose, and the memory map is where it says so.
        var path = File.ReadLines("/proc/self/maps")
            .Select(line => line.IndexOf('/') is var at and >= 0 ? line[at..] : "")
            .FirstOrDefault(file => Path.GetFileName(file).StartsWith("libstdc++.so.6", StringComparison.Ordinal));
        return path is not null && File.ReadAllBytes(path).AsSpan().IndexOf("GLIBCXX_3.4.32\0"u8) >= 0;
    }

    private static Need? Find(ElfImage elf)
    {
        var sections = elf.Sections();
        foreach (var needs in sections.Where(section => section.Type == ElfImage.VersionNeeds))
        {
            var names = sections.ElementAtOrDefault(needs.Link);
            var file = needs.Offset;
            for (var i = 0u; i < needs.Info; i++)
            {
                var entry = file + elf.U32(file + 8);
                for (var left = elf.U16(file + 2); left > 0; left--)
                {
                    if (elf.Text(names, elf.U32(entry + 8)) == Version)
                        return new(entry + 4, elf.U16(entry + 4), elf.U16(entry + 6));
                    entry += Step(elf, entry + 12, more: left > 1);
                }
                file += Step(elf, file + 12, more: i + 1 < needs.Info);
            }
        }
        return null;
    }

    /// <summary>The distance to a list's next entry; none where more are announced would loop forever.</summary>
    private static uint Step(ElfImage elf, long at, bool more) =>
        elf.U32(at) is var step && (step > 0 || !more)
            ? step
            : throw new InvalidDataException("a list of version needs breaks off");

    /// <summary>A weak need is honest only while the marker is the version's one symbol and nothing points at it.</summary>
    private static void RefuseIfUsed(ElfImage elf, ushort version)
    {
        var sections = elf.Sections();
        var symbols = sections.FirstOrDefault(section => section.Type == ElfImage.DynamicSymbols);
        var versions = sections.FirstOrDefault(section => section.Type == ElfImage.SymbolVersions);
        var names = sections.ElementAtOrDefault(symbols.Link);
        var ofVersion = new HashSet<long>();
        for (var i = 0L; i < symbols.Size / 24; i++)
        {
            if ((elf.U16(versions.Offset + i * 2) & 0x7fff) != version)
                continue;
            var name = elf.Text(names, elf.U32(symbols.Offset + i * 24));
            if (name != Marker)
                throw new InvalidDataException(
                    $"{name} of {Version} is more than a marker: this library needs GCC 13's runtime"
                );
            ofVersion.Add(i);
        }
        foreach (var relocations in sections.Where(section => section.Type == ElfImage.RelocationsWithAddend))
            for (var at = 0L; at < relocations.Size; at += 24)
                if (ofVersion.Contains(elf.U32(relocations.Offset + at + 12)))
                    throw new InvalidDataException($"{Marker} is referred to: this library needs GCC 13's runtime");
    }

    /// <summary>Never writes into an existing file: it may be a link to the package cache, or in use.</summary>
    private static void Replace(byte[] image, string destination)
    {
        var full = Path.GetFullPath(destination);
        var temporary = Path.Combine(Path.GetDirectoryName(full)!, $".{Path.GetFileName(full)}.{Guid.NewGuid():N}");
        try
        {
            File.WriteAllBytes(temporary, image);
            File.Move(temporary, full, overwrite: true);
        }
        finally
        {
            File.Delete(temporary);
        }
    }
}
