using Hybrid.Host.Runtime;

namespace Hybrid.Host.Data;

/// <summary>Reads many picture files at once.</summary>
internal static class PictureReading
{
    /// <summary>Files that a warning names.</summary>
    private const int MostNamed = 3;

    /// <summary>All files brought to one size, on all cores, with a bar.</summary>
    /// <param name="title">What is read, for the bar.</param>
    /// <exception cref="RequestException">They would not fit into one array.</exception>
    /// <exception cref="OperationCanceledException">Interrupted.</exception>
    public static Pictures Read(string title, IReadOnlyList<string> files, int height, int width, Output output)
    {
        var pixels = ImageSet.Allocate(files.Count, height, width, title);
        var remarks = new PictureRemark?[files.Count];
        var bytes = height * width * ImageSet.Channels;
        var done = 0;
        var work = Task.Run(() =>
            Parallel.For(
                0,
                files.Count,
                new ParallelOptions { CancellationToken = Interrupt.Token },
                place =>
                {
                    remarks[place] = PictureFile.Read(
                        place,
                        files[place],
                        height,
                        width,
                        pixels.AsSpan(place * bytes, bytes)
                    );
                    Interlocked.Increment(ref done);
                }
            )
        );
        try
        {
            PictureBar.Follow(output, title, files.Count, () => Volatile.Read(ref done), work);
        }
        catch (OperationCanceledException error)
        {
            throw new OperationCanceledException(
                $"interrupted after {done:N0} of {Counted.Of(files.Count, "picture")}",
                error
            );
        }

        int[] kept = [.. Enumerable.Range(0, files.Count).Where(place => remarks[place] is not { LeftOut: true })];
        return new Pictures(Packed(pixels, kept, bytes), kept, [.. remarks.OfType<PictureRemark>()]);
    }

    /// <summary>One line for the files that are left out and one for those that are unusual, however many they are.
    /// </summary>
    /// <param name="total">How many files were read, these among them.</param>
    public static void Warn(Output output, IReadOnlyList<(string File, PictureRemark Remark)> found, int total)
    {
        var kinds = found.ToLookup(it => it.Remark.LeftOut);
        Warn(output, [.. kinds[true]], total, "cannot be read and are left out", ": left out");
        Warn(output, [.. kinds[false]], total, "are unusual", "");
    }

    private static void Warn(
        Output output,
        IReadOnlyList<(string File, PictureRemark Remark)> found,
        int total,
        string many,
        string ending
    )
    {
        if (found.Count == 0)
            return;
        // Of several kinds each is named before any is named again.
        var shown = found
            .GroupBy(it => it.Remark.Text)
            .SelectMany(kind => kind.Index())
            .OrderBy(it => it.Index)
            .Take(MostNamed)
            .Select(it => $"'{it.Item.File}' {it.Item.Remark.Text}")
            .ToList();
        output.Warning(
            found.Count == 1
                ? $"{shown[0]}{ending}"
                : $"{found.Count:N0} of {Counted.Of(total, "picture")} {many}: "
                    + $"{string.Join("; ", shown)}{(found.Count > shown.Count ? $"; and {found.Count - shown.Count:N0} more" : "")}"
        );
    }

    /// <summary>The kept images moved together.</summary>
    private static byte[] Packed(byte[] pixels, int[] kept, int bytes)
    {
        for (var i = 0; i < kept.Length; i++)
            if (kept[i] != i)
                pixels.AsSpan(kept[i] * bytes, bytes).CopyTo(pixels.AsSpan(i * bytes));
        var length = kept.Length * bytes;
        return length == pixels.Length ? pixels : pixels[..length];
    }
}
