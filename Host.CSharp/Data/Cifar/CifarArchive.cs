using System.Security.Cryptography;
using Hybrid.Host.Runtime;

namespace Hybrid.Host.Data;

/// <summary>
/// Finds a CIFAR set on this machine, and where it is absent downloads the publisher's archive and unpacks it.
/// </summary>
/// <param name="variant">Which set.</param>
public sealed class CifarArchive(CifarVariant variant)
{
    /// <summary>The environment variable with the folder of all downloaded sets.</summary>
    public const string FolderVariable = "HYBRID_DATA";

    /// <summary>The environment variable with another address to download from, without the archive's name.</summary>
    public const string AddressVariable = "HYBRID_CIFAR_URL";

    /// <summary>
    /// Where the archive is fetched from, its name not included. Null: as <see cref="AddressVariable"/> says, or else
    /// the publisher.
    /// </summary>
    public Uri? BaseAddress { get; init; }

    /// <summary>How long the server may be silent.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>The pause before a broken connection is tried again.</summary>
    public TimeSpan Pause { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>The most bytes that the archive may unpack to.</summary>
    public long MaxUnpackedBytes { get; init; } = 1L << 30;

    /// <summary>The folder of sets whose place is not named: <c>$HYBRID_DATA</c>, or the user's data folder.</summary>
    public static string DefaultRoot()
    {
        if (Environment.GetEnvironmentVariable(FolderVariable) is { Length: > 0 } named)
        {
            return Path.GetFullPath(named);
        }

        var home = Environment.GetFolderPath(
            Environment.SpecialFolder.LocalApplicationData,
            Environment.SpecialFolderOption.DoNotVerify
        );
        return Path.Combine(home.Length > 0 ? home : Path.GetTempPath(), "hybrid", "data");
    }

    /// <summary>The folder that holds the record files, downloaded first where it is absent.</summary>
    /// <param name="root">
    /// The folder the user named, or null for <see cref="DefaultRoot"/>. A named one that exists and holds other things
    /// is never downloaded into.
    /// </param>
    /// <param name="progress">Told at most ten times a second how far the download is.</param>
    /// <exception cref="RequestException">The folder exists but is not this set.</exception>
    /// <exception cref="WorkException">The download failed; the message says how to do it by hand.</exception>
    /// <exception cref="OperationCanceledException">Interrupted; the next call resumes the download.</exception>
    public async Task<string> Ensure(
        string? root = null,
        IProgress<DownloadProgress>? progress = null,
        CancellationToken cancel = default
    )
    {
        var place = Path.GetFullPath(root ?? DefaultRoot());
        if (CifarFiles.Locate(variant, place) is { } found)
        {
            return found;
        }

        RefuseOther(place, named: root is not null);
        var fresh = FreshFolders.Before(place);
        try
        {
            Directory.CreateDirectory(place);
            using var held = await FolderLock.Take(Path.Combine(place, $".{variant.Archive}.lock"), cancel);
            return CifarFiles.Locate(variant, place) ?? await Fill(place, progress, cancel);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new WorkException($"{variant.Name} could not be stored in '{place}': {error.Message}", error);
        }
        finally
        {
            fresh.RemoveEmpty();
        }
    }

    private Uri Address()
    {
        var text = BaseAddress?.AbsoluteUri ?? Environment.GetEnvironmentVariable(AddressVariable);
        if (string.IsNullOrEmpty(text))
        {
            return new Uri(CifarVariant.Publisher, variant.Archive);
        }

        return
            Uri.TryCreate(text.TrimEnd('/') + "/", UriKind.Absolute, out var parsed)
            && parsed.Scheme is "http" or "https"
            ? new Uri(parsed, variant.Archive)
            : throw new RequestException(
                $"{AddressVariable} is '{text}': an address that begins with http:// or https:// was expected"
            );
    }

    private void RefuseOther(string place, bool named)
    {
        if (File.Exists(place))
        {
            throw new RequestException($"'{place}' is a file: the folder of {variant.Name} was expected");
        }

        // Either set and what is left of its download may lie beside the other.
        var others =
            Directory.Exists(place)
            && Directory.EnumerateFileSystemEntries(place).Any(path => !Path.GetFileName(path).Contains("cifar-10"));
        if (named && others)
        {
            throw new RequestException(
                $"'{place}' does not hold {variant.Name}: {string.Join(", ", variant.TrainFiles)} and "
                    + $"{string.Join(", ", variant.TestFiles)} were expected there or in its folder {variant.Folder}. "
                    + $"To have it downloaded name a folder that is empty or absent, or write {variant.Option} alone"
            );
        }

        var inner = Path.Combine(place, variant.Folder);
        if (Directory.Exists(inner) && CifarFiles.Locate(variant, place) is null)
        {
            throw new RequestException(
                $"'{inner}' holds no file of {variant.Name}: remove it to have the set downloaded"
            );
        }
    }

    private async Task<string> Fill(string place, IProgress<DownloadProgress>? progress, CancellationToken cancel)
    {
        // The lock is held, so whatever lies aside was left there by a process that died.
        foreach (var left in Directory.GetDirectories(place, $".{variant.Archive}.*"))
        {
            Directory.Delete(left, recursive: true);
        }

        var byHand = Path.Combine(place, variant.Archive);
        if (File.Exists(byHand))
        {
            return await IsSound(byHand, cancel)
                ? await Unpack(byHand, place, cancel)
                : throw new WorkException(
                    $"'{byHand}' is not the official archive: MD5 {variant.ArchiveMd5} was expected; remove it"
                );
        }

        var part = byHand + ".part";
        var address = Address();
        for (var attempt = 1; attempt <= 2; attempt++)
        {
            await Fetch(address, part, place, progress, cancel);
            if (await IsSound(part, cancel))
            {
                return await UnpackPart(part, place, cancel);
            }

            // Either the beginning is of another file than the rest, which a clean start mends, or the server's is.
            File.Delete(part);
        }

        throw new WorkException(
            $"{address} is not the official archive: MD5 {variant.ArchiveMd5} was expected twice. {ByHand(place)}"
        );
    }

    private async Task Fetch(
        Uri address,
        string part,
        string place,
        IProgress<DownloadProgress>? progress,
        CancellationToken cancel
    )
    {
        var download = new Download(address, part, variant.ArchiveBytes) { Patience = Patience, Pause = Pause };
        try
        {
            await download.Run(progress, cancel);
        }
        catch (WorkException error)
        {
            throw new WorkException($"{error.Message}. {ByHand(place)}", error);
        }
    }

    private async Task<bool> IsSound(string archive, CancellationToken cancel)
    {
        await using var file = File.OpenRead(archive);
        return Convert.ToHexStringLower(await MD5.HashDataAsync(file, cancel)) == variant.ArchiveMd5;
    }

    private async Task<string> UnpackPart(string part, string place, CancellationToken cancel)
    {
        try
        {
            var folder = await Unpack(part, place, cancel);
            File.Delete(part);
            return folder;
        }
        catch (WorkException)
        {
            // What is wrong inside the archive will be wrong again: it is not worth keeping.
            File.Delete(part);
            throw;
        }
    }

    private async Task<string> Unpack(string archive, string place, CancellationToken cancel)
    {
        // Beside its place and moved there in one step: the folder is never seen half filled, not even after a crash.
        var aside = Path.Combine(place, $".{variant.Archive}.{Guid.NewGuid():N}");
        try
        {
            Directory.CreateDirectory(aside);
            await new Unpacking(MaxUnpackedBytes).Run(archive, aside, cancel);
            var inner = Path.Combine(aside, variant.Folder);
            var files = variant.TrainFiles.Concat(variant.TestFiles);
            if (files.FirstOrDefault(name => !File.Exists(Path.Combine(inner, name))) is { } missing)
            {
                throw new WorkException($"'{archive}' lacks {variant.Folder}/{missing}; not unpacked");
            }

            var folder = Path.Combine(place, variant.Folder);
            Directory.Move(inner, folder);
            return folder;
        }
        finally
        {
            Directory.Delete(aside, recursive: true);
        }
    }

    private string ByHand(string place) =>
        $"To install it by hand put {variant.Archive} (from {CifarVariant.Publisher}) into '{place}' and run again";
}
