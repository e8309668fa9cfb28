using Hybrid.Host.Runtime;

namespace Hybrid.Host.Data;

/// <summary>Reads many picture files at once.</summary>
internal static class PictureReading
{
    private const int MostOfAKind = 20;

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
            throw new OperationCanceledException($"interrupted after {done:N0} of {files.Count:N0} pictures", error);
        }

        int[] kept = [.. Enumerable.Range(0, files.Count).Where(place => remarks[place] is not { LeftOut: true })];
        return new Pictures(Packed(pixels, kept, bytes), kept, [.. remarks.OfType<PictureRemark>()]);
    }

    /// <summary>One line for each file that there is something to say of; of many of a kind the first ones and a
    /// count.</summary>
    public static void Warn(Output output, IReadOnlyList<PictureRemark> remarks, IReadOnlyList<string> files)
    {
        foreach (var kind in remarks.GroupBy(remark => remark.Kind))
        {
            foreach (var remark in kind.Take(MostOfAKind))
                output.Warning($"'{files[remark.File]}' {remark.Text}");
            if (kind.Count() > MostOfAKind)
                output.Warning($"and {kind.Count() - MostOfAKind:N0} more: {kind.Key}");
        }
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
