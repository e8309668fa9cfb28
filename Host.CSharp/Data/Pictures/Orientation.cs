using SkiaSharp;

namespace Hybrid.Host.Data;

/// <summary>How a camera held the picture, by EXIF: pixel (x, y) as people see it lies at (x, y) or (y, x) in the
/// file, each counted from the other end where mirrored.</summary>
/// <param name="Swapped">Rows and columns are exchanged.</param>
/// <param name="MirroredX">The file's columns count from the right.</param>
/// <param name="MirroredY">The file's rows count from the bottom.</param>
internal readonly record struct Orientation(bool Swapped, bool MirroredX, bool MirroredY)
{
    public static Orientation Of(SKEncodedOrigin origin) =>
        origin switch
        {
            SKEncodedOrigin.TopRight => new(false, true, false),
            SKEncodedOrigin.BottomRight => new(false, true, true),
            SKEncodedOrigin.BottomLeft => new(false, false, true),
            SKEncodedOrigin.LeftTop => new(true, false, false),
            SKEncodedOrigin.RightTop => new(true, false, true),
            SKEncodedOrigin.RightBottom => new(true, true, true),
            SKEncodedOrigin.LeftBottom => new(true, true, false),
            _ => default,
        };
}
