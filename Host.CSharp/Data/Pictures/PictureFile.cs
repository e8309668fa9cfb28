using SkiaSharp;

namespace Hybrid.Host.Data;

/// <summary>One picture file, of any size and of the formats of <see cref="PictureFormat"/>, whatever its name ends in.
/// </summary>
internal static class PictureFile
{
    /// <summary>Pictures with more pixels are not decoded: four bytes each are needed for it.</summary>
    public const long MaxPixels = 100_000_000;

    /// <summary>Longer files are not opened.</summary>
    public const long MaxBytes = 1L << 29;

    // A progressive JPEG goes over its pixels once for each of its scans, of which a few bytes are one; good ones of the
    // most pixels have a dozen.
    private const long MaxScannedPixels = 2_000_000_000;

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
            // Of a link it is the file behind it that matters. Pipes and devices have no length, and nothing without
            // one is opened: a pipe would be waited for, a device need never end.
            var file = new FileInfo(path);
            if (file.LinkTarget is not null && file.ResolveLinkTarget(returnFinalTarget: true) is FileInfo target)
                file = target;
            var length = file.Length;
            if (length == 0)
                return Broken(place, "is empty, or no regular file");
            if (length > MaxBytes)
                return Broken(place, $"has {length:N0} bytes, more than the {MaxBytes:N0} that are read");
            return Read(place, File.ReadAllBytes(path), height, width, pixels);
        }
        catch (IOException) when (PictureTree.IsLost(path))
        {
            return Passing(place, "has a name that is no UTF-8 text, so that it cannot be opened: rename it");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or OutOfMemoryException)
        {
            return Passing(place, $"cannot be opened ({error.Message})");
        }
    }

    /// <summary>The same of a file that is in memory.</summary>
    public static PictureRemark? Read(int place, byte[] file, int height, int width, Span<byte> pixels)
    {
        if (PictureFormat.Of(file) is not { } format)
            return Broken(
                place,
                PictureFormat.Other(file) is { } other
                    ? $"is {other}, not {PictureFormat.Formats}"
                    : $"is not a picture ({PictureFormat.Formats})"
            );
        var header = PictureHeader.Of(file);
        if (TooLarge(place, header.Width, header.Height) is { } refused)
            return refused;
        if (format == SKEncodedImageFormat.Jpeg && Scans(file) * header.Width * header.Height > MaxScannedPixels)
            return Broken(
                place,
                $"asks for {Scans(file):N0} passes over its {header.Width:N0}x{header.Height:N0} pixels"
            );
        using var stream = new SKMemoryStream(file);
        using var codec = SKCodec.Create(stream, out var opened);
        if (codec is null || codec.EncodedFormat != format)
            return Broken(place, opened == SKCodecResult.IncompleteInput ? "is cut off" : "is a damaged picture");
        var size = codec.Info.Size;
        if (TooLarge(place, size.Width, size.Height) is { } late)
            return late;
        if ((long)size.Width * size.Height <= LargePixels)
            return Decode(place, header, codec, height, width, pixels);
        lock (Large)
            return Decode(place, header, codec, height, width, pixels);
    }

    private static PictureRemark? TooLarge(int place, long width, long height) =>
        width > 0 && height > MaxPixels / width
            ? Broken(place, $"has {width:N0}x{height:N0} pixels, more than the {MaxPixels:N0} allowed")
            : null;

    /// <summary>Starts of scans: inside a scan the first of these two bytes is followed by others.</summary>
    private static long Scans(ReadOnlySpan<byte> file) => file.Count((ReadOnlySpan<byte>)[0xFF, 0xDA]);

    private static PictureRemark? Decode(
        int place,
        PictureHeader header,
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
            return Passing(place, "does not fit into memory");
        // The only call that tells a picture which ends too early from a whole one.
        var result = codec.GetPixels(info, bitmap.GetPixels());
        if (result != SKCodecResult.Success)
            return Broken(place, result == SKCodecResult.IncompleteInput ? "is cut off" : "is damaged");
        Resampling.Cover(bitmap.GetPixelSpan(), size.Height, size.Width, orientation, pixels, height, width);
        return (header with { Animated = header.Animated || codec.FrameCount > 1 }).Oddity is { } oddity
            ? new PictureRemark(place, $"is {oddity}", LeftOut: false, Lasting: true)
            : null;
    }

    /// <summary>
    /// The size to decode at. JPEG files, and no others, are decoded at eighths of their size at a fraction of the work; at four
    /// times the wanted size or more that is not seen in the result.
    /// </summary>
    private static SKSizeI Reduced(SKCodec codec, int side)
    {
        var full = codec.Info.Size;
        var enough = 4.0 * side;
        var shorter = Math.Min(full.Width, full.Height);
        if (codec.EncodedFormat != SKEncodedImageFormat.Jpeg || shorter < 2 * enough)
            return full;
        var reduced = codec.GetScaledDimensions((float)(enough / shorter));
        return Math.Min(reduced.Width, reduced.Height) >= enough ? reduced : full;
    }

    /// <summary>Of what the file holds: it stays so until the file changes.</summary>
    private static PictureRemark Broken(int place, string what) => new(place, what, LeftOut: true, Lasting: true);

    /// <summary>Of the moment: the next try may go well.</summary>
    private static PictureRemark Passing(int place, string what) => new(place, what, LeftOut: true, Lasting: false);
}
