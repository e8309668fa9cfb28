using SkiaSharp;

namespace Hybrid.Host.Data;

/// <summary>
/// The formats of picture files that are read, told by their first bytes. Only these are handed to the decoder, which
/// knows more formats than anybody looks after: containers of other pictures, raw files of cameras.
/// </summary>
internal static class PictureFormat
{
    /// <summary>Endings of names under which they are looked for in folders.</summary>
    private static readonly string[] Endings =
    [
        ".png",
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".webp",
        ".bmp",
        ".dib",
        ".gif",
    ];

    /// <summary>Endings of pictures of formats that are not read.</summary>
    private static readonly string[] OtherEndings =
    [
        ".tif",
        ".tiff",
        ".heic",
        ".heif",
        ".avif",
        ".jxl",
        ".jp2",
        ".ico",
        ".svg",
        ".ppm",
        ".pgm",
        ".tga",
        ".psd",
        ".dng",
        ".cr2",
        ".nef",
        ".arw",
    ];

    /// <summary>The endings as a message names them.</summary>
    public const string Named = "*.png, *.jpg, *.jpeg, *.jfif, *.webp, *.bmp, *.gif";

    /// <summary>The formats as a message names them.</summary>
    public const string Formats = "JPEG, PNG, WebP, BMP or GIF";

    private static ReadOnlySpan<byte> Png => [0x89, (byte)'P', (byte)'N', (byte)'G', 13, 10, 26, 10];

    /// <summary>Whether a file counts as a picture by the ending of its name, whatever is in it.</summary>
    public static bool IsNamed(string path) =>
        Endings.Contains(Path.GetExtension(path), StringComparer.OrdinalIgnoreCase)
        && !Path.GetFileName(path).StartsWith('.');

    /// <summary>Whether a file is, by the ending of its name, a picture of a format that is not read.</summary>
    public static bool IsOther(string path) =>
        OtherEndings.Contains(Path.GetExtension(path), StringComparer.OrdinalIgnoreCase);

    /// <summary>The format of a file; null where it is none of those that are read.</summary>
    public static SKEncodedImageFormat? Of(ReadOnlySpan<byte> file) =>
        file.StartsWith((ReadOnlySpan<byte>)[0xFF, 0xD8, 0xFF]) ? SKEncodedImageFormat.Jpeg
        : file.StartsWith(Png) ? SKEncodedImageFormat.Png
        : file.StartsWith("GIF87a"u8) || file.StartsWith("GIF89a"u8) ? SKEncodedImageFormat.Gif
        : file.Length >= 12 && file.StartsWith("RIFF"u8) && file[8..].StartsWith("WEBP"u8) ? SKEncodedImageFormat.Webp
        : file.StartsWith("BM"u8) ? SKEncodedImageFormat.Bmp
        : null;

    /// <summary>What another file is, where that is known and somebody may wonder; else null.</summary>
    public static string? Other(ReadOnlySpan<byte> file) =>
        file.StartsWith("II*\0"u8) || file.StartsWith("MM\0*"u8) ? "a TIFF or a camera's raw file"
        : file.StartsWith((ReadOnlySpan<byte>)[0, 0, 1, 0]) || file.StartsWith((ReadOnlySpan<byte>)[0, 0, 2, 0])
            ? "an icon (ICO or CUR)"
        : file.Length >= 12 && file[4..].StartsWith("ftyp"u8) ? "an AVIF, HEIF or video file"
        : file.StartsWith((ReadOnlySpan<byte>)[0xFF, 0x0A]) || file[Math.Min(4, file.Length)..].StartsWith("JXL "u8)
            ? "a JPEG XL file"
        : file.StartsWith("<svg"u8) || file.StartsWith("<?xml"u8) ? "an SVG or XML file"
        : null;
}
