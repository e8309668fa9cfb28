using SkiaSharp;

namespace Hybrid.Host.Logs;

/// <summary>A picture as PNG.</summary>
public sealed record Picture(int Width, int Height, byte[] Png)
{
    private const int Gap = 2;

    /// <summary>Images beside and below one another, in reading order, on white with a gap between them.</summary>
    /// <param name="images">Red, green and blue, <c>[count, height, width, 3]</c>.</param>
    public static Picture Grid(ReadOnlySpan<byte> images, int count, int height, int width, int columns)
    {
        var across = Math.Min(count, columns);
        var down = (count + columns - 1) / columns;
        var info = new SKImageInfo(
            across * (width + Gap) - Gap,
            down * (height + Gap) - Gap,
            SKColorType.Rgba8888,
            SKAlphaType.Opaque
        );
        var canvas = new byte[info.BytesSize];
        canvas.AsSpan().Fill(byte.MaxValue);
        for (var row = 0; row < count * height; row++)
        {
            var (image, y) = Math.DivRem(row, height);
            var (down0, across0) = Math.DivRem(image, columns);
            var line = canvas.AsSpan((down0 * (height + Gap) + y) * info.RowBytes + across0 * (width + Gap) * 4);
            var pixels = images.Slice(row * width * 3, width * 3);
            for (var x = 0; x < width; x++)
                pixels.Slice(x * 3, 3).CopyTo(line[(x * 4)..]);
        }

        using var picture = SKImage.FromPixelCopy(info, canvas);
        using var png = picture.Encode(SKEncodedImageFormat.Png, 100);
        return new Picture(info.Width, info.Height, png.ToArray());
    }
}
