using System.Text;
using Hybrid.Host.Runtime;

namespace Hybrid.Host.Data;

/// <summary>Reads the CIFAR sets from their official binary files.</summary>
public static class CifarFiles
{
    private const int Plane = CifarVariant.Side * CifarVariant.Side;

    // Records read at once: about 12 MB, so that a file is never held twice.
    private const int BlockRecords = 4096;

    private static readonly UTF8Encoding Strict = new(false, throwOnInvalidBytes: true);

    /// <summary>More than a hundred names of classes take.</summary>
    private const int LongestNames = 1 << 18;

    /// <summary>
    /// The folder with record files: the archive's folder in <paramref name="root"/>, or the root itself. Null where
    /// neither has any.
    /// </summary>
    public static string? Locate(CifarVariant variant, string root) =>
        new[] { Path.Combine(root, variant.Folder), root }.FirstOrDefault(folder =>
            variant.TrainFiles.Concat(variant.TestFiles).Any(name => File.Exists(Path.Combine(folder, name)))
        );

    /// <summary>
    /// One split, <c>[N, 32, 32, 3]</c>, in file order. Any whole number of records is a valid file.
    /// </summary>
    /// <param name="root">The folder of the record files, or the one that the archive was unpacked in.</param>
    /// <exception cref="RequestException">The folder, or a file that should be in it, is not there.</exception>
    /// <exception cref="WorkException">A file is broken or cannot be read; the message names it.</exception>
    public static ImageSet Read(CifarVariant variant, string root, Split split)
    {
        var folder = Folder(variant, root, split);
        var files = variant.Files(split).Select(name => PictureTree.Target(Path.Combine(folder, name))).ToArray();
        var classes = ReadNames(variant, folder);
        try
        {
            var counts = files.Select(file => Records(variant, file)).ToArray();
            var total = counts.Sum();
            var images = ImageSet.Allocate(total, CifarVariant.Side, CifarVariant.Side, folder);
            var labels = new long[total];
            var first = 0;
            foreach (var (file, count) in files.Zip(counts))
            {
                ReadRecords(variant, file, first, (int)count, images, labels);
                first += (int)count;
            }

            return new ImageSet(images, labels, classes, CifarVariant.Side, CifarVariant.Side);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new WorkException($"{variant.Name} in '{folder}' could not be read: {error.Message}", error);
        }
    }

    private static string Folder(CifarVariant variant, string root, Split split)
    {
        var wanted = variant.Files(split);
        if (Locate(variant, root) is not { } folder)
        {
            throw new RequestException(
                $"{(Directory.Exists(root) ? "no record files in" : "no folder")} '{root}': "
                    + $"{variant.Name} is read from the official binary files {string.Join(", ", wanted)}"
            );
        }

        string[] missing = [.. wanted.Where(name => !File.Exists(Path.Combine(folder, name)))];
        return missing.Length == 0
            ? folder
            : throw new RequestException(
                $"'{folder}' lacks {string.Join(", ", missing)}: the {split.ToString().ToLowerInvariant()} split of "
                    + $"{variant.Name} is {string.Join(", ", wanted)}"
            );
    }

    private static long Records(CifarVariant variant, FileInfo file)
    {
        if (file.Length == 0)
        {
            throw new WorkException(
                $"'{file.FullName}' is empty: a whole number of {variant.RecordBytes:N0}-byte records was expected"
            );
        }

        var (records, rest) = Math.DivRem(file.Length, variant.RecordBytes);
        if (rest != 0)
        {
            throw new WorkException(
                $"'{file.FullName}' has {file.Length:N0} bytes, {records:N0} records and {rest:N0} bytes more: "
                    + $"a whole number of {variant.RecordBytes:N0}-byte records was expected (a cut-off copy?)"
            );
        }

        return records;
    }

    private static void ReadRecords(
        CifarVariant variant,
        FileInfo file,
        int first,
        int count,
        byte[] images,
        long[] labels
    )
    {
        const int image = Plane * ImageSet.Channels;
        var raw = new byte[Math.Min(count, BlockRecords) * variant.RecordBytes];
        using var stream = file.OpenRead();
        for (var done = 0; done < count; done += BlockRecords)
        {
            var here = Math.Min(BlockRecords, count - done);
            var start = first + done;
            stream.ReadExactly(raw, 0, here * variant.RecordBytes);
            for (var i = 0; i < here; i++)
            {
                var label = raw[i * variant.RecordBytes + variant.LabelBytes - 1];
                labels[start + i] =
                    label < variant.Classes.Count
                        ? label
                        : throw new WorkException(
                            $"'{file.FullName}' has the label {label} in record {done + i:N0} (counted from 0): "
                                + $"0 to {variant.Classes.Count - 1} was expected; is it a file of {variant.Name}?"
                        );
            }

            Parallel.For(
                0,
                here,
                i =>
                    Interleave(
                        raw.AsSpan(i * variant.RecordBytes + variant.LabelBytes, image),
                        images.AsSpan((start + i) * image, image)
                    )
            );
        }
    }

    private static void Interleave(ReadOnlySpan<byte> planes, Span<byte> pixels)
    {
        var red = planes[..Plane];
        var green = planes.Slice(Plane, Plane);
        var blue = planes.Slice(2 * Plane, Plane);
        var at = 0;
        for (var i = 0; i < red.Length; i++)
        {
            pixels[at] = red[i];
            pixels[at + 1] = green[i];
            pixels[at + 2] = blue[i];
            at += ImageSet.Channels;
        }
    }

    private static IReadOnlyList<string> ReadNames(CifarVariant variant, string folder)
    {
        var path = Path.Combine(folder, variant.NamesFile);
        if (!File.Exists(path))
        {
            return variant.Classes;
        }

        try
        {
            // A pipe would be waited for, and a device never ends.
            if (PictureTree.Target(path).Length is 0 or > LongestNames)
                throw new WorkException(
                    $"'{path}' is empty, no ordinary file or longer than {LongestNames} bytes: the names of classes were expected, one a line"
                );
            string[] names =
            [
                .. File.ReadLines(path, Strict).Select(line => line.Trim()).Where(line => line.Length > 0),
            ];
            if (names.Length != variant.Classes.Count)
                throw new WorkException(
                    $"'{path}' names {names.Length} classes: {variant.Classes.Count} were expected, one a line"
                );
            // Here and not when the checkpoint is read that was trained with them.
            return ClassNames.Fault(names) is { } fault ? throw new WorkException($"'{path}': {fault}") : names;
        }
        catch (DecoderFallbackException error)
        {
            throw new WorkException($"'{path}' is no UTF-8 text: save it as such, or take it away", error);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new WorkException($"'{path}' could not be read: {error.Message}", error);
        }
    }
}
