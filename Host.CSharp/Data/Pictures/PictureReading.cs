using Hybrid.Host.Runtime;

namespace Hybrid.Host.Data;

/// <summary>Reads many picture files at once.</summary>
internal static class PictureReading
{
    /// <summary>Files that a warning names.</summary>
    private const int MostNamed = 3;

    /// <summary>Pixels that are decoded before they are handed on, where nothing else is said.</summary>
    public const int BlockBytes = 1 << 26;

    /// <summary>All files brought to one size, on all cores, with a bar.</summary>
    /// <param name="title">What is read, for the bar.</param>
    /// <exception cref="RequestException">They would not fit into one array.</exception>
    /// <exception cref="OperationCanceledException">Interrupted.</exception>
    public static Pictures Read(string title, IReadOnlyList<string> files, int height, int width, Output output)
    {
        var pixels = ImageSet.Allocate(files.Count, height, width, title);
        var end = 0;
        var (kept, remarks) = Decode(
            title,
            files,
            height,
            width,
            output,
            block =>
            {
                block.CopyTo(pixels.AsSpan(end));
                end += block.Length;
            }
        );
        return new Pictures(end == pixels.Length ? pixels : pixels[..end], kept, remarks);
    }

    /// <summary>The same, a block at a time, so that no more than a block needs to be in memory.</summary>
    /// <param name="put">Receives the pixels <c>[n, height, width, 3]</c> of those that could be read, in the order of the
    /// files; one call after another.</param>
    /// <param name="blockBytes">How much of them at a time, or one.</param>
    /// <returns>The places of those in the list of files, and what there is to say.</returns>
    /// <exception cref="OperationCanceledException">Interrupted.</exception>
    public static (int[] Kept, PictureRemark[] Remarks) Decode(
        string title,
        IReadOnlyList<string> files,
        int height,
        int width,
        Output output,
        Action<ReadOnlySpan<byte>> put,
        int blockBytes = BlockBytes
    )
    {
        var bytes = checked(height * width * ImageSet.Channels);
        var size = Math.Clamp(blockBytes / bytes, 1, Math.Max(files.Count, 1));
        var pixels = GC.AllocateUninitializedArray<byte>(checked(size * bytes));
        var remarks = new PictureRemark?[files.Count];
        var done = 0;
        void Block(int first)
        {
            var here = Math.Min(size, files.Count - first);
            Parallel.For(
                first,
                first + here,
                new ParallelOptions { CancellationToken = Interrupt.Token },
                place =>
                {
                    var target = pixels.AsSpan((place - first) * bytes, bytes);
                    remarks[place] = PictureFile.Read(place, files[place], height, width, target);
                    Interlocked.Increment(ref done);
                }
            );
            put(pixels.AsSpan(0, Pack(pixels, remarks.AsSpan(first, here), bytes) * bytes));
        }
        var work = Task.Run(() =>
        {
            for (var first = 0; first < files.Count; first += size)
                Block(first);
        });
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
        return (kept, [.. remarks.OfType<PictureRemark>()]);
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

    /// <summary>Moves together what is kept; gives how many that are.</summary>
    private static int Pack(byte[] pixels, ReadOnlySpan<PictureRemark?> remarks, int bytes)
    {
        var kept = 0;
        for (var place = 0; place < remarks.Length; place++)
        {
            if (remarks[place] is { LeftOut: true })
                continue;
            if (kept != place)
                pixels.AsSpan(place * bytes, bytes).CopyTo(pixels.AsSpan(kept * bytes));
            kept++;
        }
        return kept;
    }
}
