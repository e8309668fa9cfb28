using Hybrid.Host.Logs;
using SkiaSharp;

namespace Hybrid.Host.Report;

/// <summary>A picture small enough to be part of a page.</summary>
public static class Thumbnail
{
    private const int LongestSide = 128;
    private const int Quality = 85;

    /// <summary>The image itself as a data URI where it is small, every pixel as the network saw it; a smaller JPEG of
    /// it otherwise.</summary>
    /// <param name="image">Red, green and blue, <c>[height, width, 3]</c>.</param>
    public static string DataUri(ReadOnlySpan<byte> image, int height, int width)
    {
        var whole = Picture.Grid(image, 1, height, width, 1).Png;
        var scale = (double)LongestSide / Math.Max(height, width);
        return scale >= 1 ? Uri("png", whole) : Uri("jpeg", Smaller(whole, height, width, scale));
    }

    private static byte[] Smaller(byte[] png, int height, int width, double scale)
    {
        static int Side(double side) => Math.Max(1, (int)Math.Round(side));
        using var whole = SKBitmap.Decode(png);
        var size = new SKImageInfo(Side(width * scale), Side(height * scale));
        using var small = whole.Resize(size, new SKSamplingOptions(SKFilterMode.Linear, SKMipmapMode.Linear));
        using var jpeg = small.Encode(SKEncodedImageFormat.Jpeg, Quality);
        return jpeg.ToArray();
    }

    private static string Uri(string kind, byte[] bytes) => $"data:image/{kind};base64,{Convert.ToBase64String(bytes)}";
}
