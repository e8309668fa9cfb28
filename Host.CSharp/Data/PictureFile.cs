using SkiaSharp;

namespace Hybrid.Host.Data;

/// <summary>One picture file, of any size and kind that the decoder knows, whatever its name ends in.</summary>
internal static class PictureFile
{
    /// <summary>Pictures with more pixels are not decoded: four bytes each are needed for it.</summary>
    public const long MaxPixels = 100_000_000;

    /// <summary>Longer files are not opened.</summary>
    public const long MaxBytes = 1L << 29;

    // Pictures of more pixels than this are decoded one at a time, whatever the number of threads.
    private const long LargePixels = 16_000_000;

    private static readonly Lock Large = new();

    /// <summary>
    /// Reads a file into <paramref name="pixels"/>, <c>[height, width, 3]</c>: turned upright, on white where it is
    /// transparent, of an animation the first frame. Colours are taken as the file has them: profiles are ignored, as
    /// PyTorch's loaders do.
    /// </summary>
    /// <param name="place">For the remark.</param>
    /// <returns>Null where there is nothing to say.</returns>
    public static PictureRemark? Read(int place, string path, int height, int width, Span<byte> pixels)
    {
        try
        {
            var length = new FileInfo(path).Length;
            if (length == 0)
                return Broken(place, "is empty");
            if (length > MaxBytes)
                return Broken(place, $"has {length:N0} bytes, more than the {MaxBytes:N0} that are read");
            return Decode(place, File.ReadAllBytes(path), height, width, pixels);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return Broken(place, $"cannot be opened ({error.Message})");
        }
    }

    private static PictureRemark? Decode(int place, byte[] file, int height, int width, Span<byte> pixels)
    {
        using var stream = new SKMemoryStream(file);
        using var codec = SKCodec.Create(stream, out var opened);
        if (codec is null)
            return Broken(
                place,
                opened == SKCodecResult.IncompleteInput ? "is cut off" : "is not a picture, or a damaged one"
            );
        var size = codec.Info.Size;
        if ((long)size.Width * size.Height > MaxPixels)
            return Broken(place, $"has {size.Width:N0}x{size.Height:N0} pixels, more than the {MaxPixels:N0} allowed");
        if ((long)size.Width * size.Height <= LargePixels)
            return Decode(place, file, codec, height, width, pixels);
        lock (Large)
            return Decode(place, file, codec, height, width, pixels);
    }

    private static PictureRemark? Decode(
        int place,
        byte[] file,
        SKCodec codec,
        int height,
        int width,
        Span<byte> pixels
    )
    {
        var orientation = Orientation.Of(codec.EncodedOrigin);
        var size = Reduced(codec, Math.Max(height, width));
        var info = new SKImageInfo(size.Width, size.Height, SKColorType.Rgba8888, SKAlphaType.Unpremul);
        using var bitmap = new SKBitmap();
        if (!bitmap.TryAllocPixels(info))
            return Broken(place, "does not fit into memory");
        // The only call that tells a picture which ends too early from a whole one.
        var result = codec.GetPixels(info, bitmap.GetPixels());
        if (result != SKCodecResult.Success)
            return Broken(place, result == SKCodecResult.IncompleteInput ? "is cut off" : "is damaged");
        Resampling.Cover(bitmap.GetPixelSpan(), size.Height, size.Width, orientation, pixels, height, width);
        var header = PictureHeader.Of(file);
        return (header with { Animated = header.Animated || codec.FrameCount > 1 }).Oddity is { } oddity
            ? new PictureRemark(place, oddity, $"is {oddity}", LeftOut: false)
            : null;
    }

    /// <summary>
    /// The size to decode at. JPEG files can be decoded at eighths of their size at a fraction of the work; at four
    /// times the wanted size or more that is not seen in the result.
    /// </summary>
    private static SKSizeI Reduced(SKCodec codec, int side)
    {
        var full = codec.Info.Size;
        var enough = 4.0 * side;
        var shorter = Math.Min(full.Width, full.Height);
        if (shorter < 2 * enough)
            return full;
        var reduced = codec.GetScaledDimensions((float)(enough / shorter));
        return Math.Min(reduced.Width, reduced.Height) >= enough ? reduced : full;
    }

    private static PictureRemark Broken(int place, string what) =>
        new(place, "cannot be read", $"{what}: left out", LeftOut: true);
}
