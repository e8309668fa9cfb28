using System.Formats.Tar;
using System.IO.Compression;
using Hybrid.Host.Runtime;

namespace Hybrid.Host.Data;

/// <summary>Unpacks a <c>.tar.gz</c> file that is not to be trusted.</summary>
/// <param name="maxBytes">The most that all files together may take once unpacked.</param>
/// <param name="maxEntries">The most entries, folders included.</param>
internal sealed class Unpacking(long maxBytes = 1L << 30, int maxEntries = 1_000)
{
    /// <summary>
    /// Writes the archive's regular files below <paramref name="folder"/>, which must exist and be empty.
    /// </summary>
    /// <exception cref="WorkException">
    /// The archive is broken, too large, or holds a link, a device or a path that leaves the folder.
    /// </exception>
    /// <exception cref="IOException">A file could not be written.</exception>
    public async Task Run(string archive, string folder, CancellationToken cancel)
    {
        try
        {
            await using var file = File.OpenRead(archive);
            await using var unzipped = new GZipStream(file, CompressionMode.Decompress);
            await using var headers = new TarHeaders(unzipped, archive);
            await using var reader = new TarReader(headers);
            var left = maxBytes;
            var entries = 0;
            while (await reader.GetNextEntryAsync(copyData: false, cancel) is { } entry)
            {
                if (++entries > maxEntries)
                {
                    throw new WorkException($"'{archive}' has more than {maxEntries:N0} entries; not unpacked");
                }

                left -= entry.Length;
                if (left < 0)
                {
                    throw new WorkException($"'{archive}' holds more than {maxBytes:N0} bytes; not unpacked");
                }

                await Write(entry, archive, folder, cancel);
            }
        }
        catch (Exception error) when (error is InvalidDataException or EndOfStreamException or FormatException)
        {
            throw new WorkException($"'{archive}' is not a sound .tar.gz archive: {error.Message}", error);
        }
    }

    private static async Task Write(TarEntry entry, string archive, string folder, CancellationToken cancel)
    {
        switch (entry.EntryType)
        {
            case TarEntryType.GlobalExtendedAttributes:
                return;

            case TarEntryType.Directory:
                Directory.CreateDirectory(Inside(entry, archive, folder));
                return;

            case TarEntryType.RegularFile
            or TarEntryType.V7RegularFile:
                var path = Inside(entry, archive, folder);
                if (Path.Exists(path))
                {
                    throw new WorkException($"'{archive}' holds '{entry.Name}' twice; not unpacked");
                }

                Directory.CreateDirectory(Path.GetDirectoryName(path)!);

                // Its rights are not taken over: nothing in a data set needs to be run.
                await using (var file = new FileStream(path, FileMode.CreateNew, FileAccess.Write))
                {
                    await (entry.DataStream ?? Stream.Null).CopyToAsync(file, cancel);
                }

                return;

            default:
                throw new WorkException(
                    $"'{archive}' holds '{entry.Name}', a {entry.EntryType}; only files and folders are unpacked"
                );
        }
    }

    private static string Inside(TarEntry entry, string archive, string folder)
    {
        // Both kinds of separators and drive letters everywhere: what is harmless here must be harmless on Windows.
        var name = entry.Name;
        var outside =
            name.Length == 0
            || name.AsSpan().ContainsAny('\\', ':', '\0')
            || Path.IsPathRooted(name)
            || name.Split('/').Contains("..");
        return outside
            ? throw new WorkException($"'{archive}' holds the path '{name}', which leaves its folder; not unpacked")
            : Path.Combine(folder, name);
    }
}
