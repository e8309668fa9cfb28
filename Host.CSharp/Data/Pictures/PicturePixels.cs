namespace Hybrid.Host.Data;

/// <summary>A picture that somebody else has decoded.</summary>
internal static class PicturePixels
{
    /// <summary>Brought to a size as files are.</summary>
    /// <param name="rgb"><c>[h, w, 3]</c>.</param>
    /// <returns><c>[height, width, 3]</c>.</returns>
    public static byte[] Cover(ReadOnlySpan<byte> rgb, int h, int w, int height, int width)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(h, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(w, 1);
        if ((long)h * w > PictureFile.MaxPixels)
            throw new ArgumentException($"{h}x{w} pixels are more than the {PictureFile.MaxPixels:N0} allowed");
        if (rgb.Length != (long)h * w * ImageSet.Channels)
            throw new ArgumentException(
                $"{h}x{w} pixels of red, green and blue are {(long)h * w * ImageSet.Channels:N0} bytes, got {rgb.Length:N0}"
            );
        var opaque = new byte[(long)h * w * 4];
        for (var (from, to) = (0, 0); from < rgb.Length; (from, to) = (from + 3, to + 4))
        {
            rgb.Slice(from, 3).CopyTo(opaque.AsSpan(to));
            opaque[to + 3] = byte.MaxValue;
        }
        var pixels = new byte[height * width * ImageSet.Channels];
        Resampling.Cover(opaque, h, w, default, pixels, height, width);
        return pixels;
    }
}
