namespace Hybrid.Host.Data;

/// <summary>
/// Brings a picture of any size to a given one: scaled so that it just covers it, the middle kept. The filter is the
/// cubic one (a = -1/2) widened by the factor of reduction, so that every pixel of the file counts: Pillow's
/// <c>BICUBIC</c>, and sizes and middle are those of torchvision's <c>Resize</c> and <c>CenterCrop</c>.
/// </summary>
internal static class Resampling
{
    private const int Channels = ImageSet.Channels;

    /// <summary>Fills <paramref name="target"/>, <c>[height, width, 3]</c>.</summary>
    /// <param name="source">Red, green, blue and alpha, not multiplied, <c>[h, w, 4]</c>, as the file has them. What
    /// is transparent shows white.</param>
    public static void Cover(
        ReadOnlySpan<byte> source,
        int h,
        int w,
        Orientation orientation,
        Span<byte> target,
        int height,
        int width
    )
    {
        // In the file's own orientation first; the small result is turned.
        var (th, tw) = orientation.Swapped ? (width, height) : (height, width);
        var widthDecides = (long)th * w <= (long)tw * h;
        var fullWidth = widthDecides ? tw : (int)((long)w * th / h);
        var fullHeight = widthDecides ? (int)((long)h * tw / w) : th;
        var columns = Taps.Of(w, fullWidth, tw, orientation.MirroredX);
        var rows = Taps.Of(h, fullHeight, th, orientation.MirroredY);

        var first = rows.Starts.Min();
        var last = Enumerable.Range(0, th).Max(y => rows.Starts[y] + rows.Weights[y].Length);
        var line = new float[w * Channels];
        var narrow = new byte[(last - first) * tw * Channels];
        for (var y = first; y < last; y++)
        {
            OnWhite(source.Slice(y * w * 4, w * 4), line);
            Across(line, columns, narrow.AsSpan((y - first) * tw * Channels, tw * Channels));
        }

        Span<float> sums = stackalloc float[Channels];
        for (var y = 0; y < height; y++)
        for (var x = 0; x < width; x++)
        {
            var (sx, sy) = orientation.Swapped ? (y, x) : (x, y);
            sx = orientation.MirroredX ? tw - 1 - sx : sx;
            sy = orientation.MirroredY ? th - 1 - sy : sy;
            sums.Clear();
            var at = ((rows.Starts[sy] - first) * tw + sx) * Channels;
            foreach (var weight in rows.Weights[sy])
            {
                for (var channel = 0; channel < Channels; channel++)
                    sums[channel] += weight * narrow[at + channel];
                at += tw * Channels;
            }

            for (var channel = 0; channel < Channels; channel++)
                target[(y * width + x) * Channels + channel] = ToByte(sums[channel]);
        }
    }

    private static byte ToByte(float value) => (byte)Math.Clamp(value + 0.5f, 0, 255);

    private static void OnWhite(ReadOnlySpan<byte> pixels, Span<float> line)
    {
        for (int from = 0, to = 0; from < pixels.Length; from += 4, to += Channels)
        {
            var alpha = pixels[from + 3] / 255f;
            for (var channel = 0; channel < Channels; channel++)
                line[to + channel] =
                    alpha == 1 ? pixels[from + channel] : ToByte(255 + alpha * (pixels[from + channel] - 255f));
        }
    }

    private static void Across(ReadOnlySpan<float> line, Taps columns, Span<byte> narrow)
    {
        for (var x = 0; x < columns.Starts.Length; x++)
        {
            float red = 0,
                green = 0,
                blue = 0;
            var at = columns.Starts[x] * Channels;
            foreach (var weight in columns.Weights[x])
            {
                red += weight * line[at];
                green += weight * line[at + 1];
                blue += weight * line[at + 2];
                at += Channels;
            }

            // Whole bytes between the two passes, as Pillow has them.
            (narrow[x * Channels], narrow[x * Channels + 1], narrow[x * Channels + 2]) = (
                ToByte(red),
                ToByte(green),
                ToByte(blue)
            );
        }
    }

    /// <summary>Which pixels of a line go into each pixel of the result, and how much of each.</summary>
    private readonly record struct Taps(int[] Starts, float[][] Weights)
    {
        /// <param name="from">Length of the line.</param>
        /// <param name="full">Length that it is scaled to.</param>
        /// <param name="kept">Pixels of that, from the middle, that are wanted.</param>
        /// <param name="mirrored">The line runs against the direction in which the middle is rounded.</param>
        public static Taps Of(int from, int full, int kept, bool mirrored)
        {
            // Halves to the even neighbour, as Python's round has it.
            var margin = (int)Math.Round((full - kept) / 2.0);
            var skipped = mirrored ? full - kept - margin : margin;
            var scale = (double)from / full;
            var widened = Math.Max(scale, 1);
            var starts = new int[kept];
            var weights = new float[kept][];
            for (var x = 0; x < kept; x++)
            {
                var centre = (x + skipped + 0.5) * scale;
                var start = Math.Max((int)(centre - 2 * widened + 0.5), 0);
                var stop = Math.Min((int)(centre + 2 * widened + 0.5), from);
                var cubic = Enumerable
                    .Range(start, stop - start)
                    .Select(i => Cubic((i - centre + 0.5) / widened))
                    .ToArray();
                var sum = cubic.Sum();
                (starts[x], weights[x]) = (start, [.. cubic.Select(weight => (float)(weight / sum))]);
            }

            return new Taps(starts, weights);
        }

        private static double Cubic(double x)
        {
            x = Math.Abs(x);
            return x < 1 ? (1.5 * x - 2.5) * x * x + 1
                : x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2
                : 0;
        }
    }
}
