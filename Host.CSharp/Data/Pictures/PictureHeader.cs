using System.Buffers.Binary;
using SkiaSharp;

namespace Hybrid.Host.Data;

/// <summary>What the first bytes of a picture file say of it that its decoder would not tell, or too late.</summary>
/// <param name="Grey">One channel of colour.</param>
/// <param name="Cmyk">Four channels of ink.</param>
/// <param name="Deep">More than eight bits a channel.</param>
/// <param name="Animated">More than one frame.</param>
/// <param name="Width">In pixels; 0 where it is not found.</param>
/// <param name="Height">In pixels; 0 where it is not found.</param>
internal readonly record struct PictureHeader(bool Grey, bool Cmyk, bool Deep, bool Animated, long Width, long Height)
{
    private const int PngSignature = 8;

    /// <summary>Reads what can be read; says nothing of what is cut off or in another format.</summary>
    public static PictureHeader Of(ReadOnlySpan<byte> file) =>
        PictureFormat.Of(file) switch
        {
            SKEncodedImageFormat.Png => OfPng(file[PngSignature..]),
            SKEncodedImageFormat.Jpeg => OfJpeg(file[2..]),
            SKEncodedImageFormat.Gif when file.Length >= 10 => new()
            {
                Width = BinaryPrimitives.ReadUInt16LittleEndian(file[6..]),
                Height = BinaryPrimitives.ReadUInt16LittleEndian(file[8..]),
            },
            SKEncodedImageFormat.Bmp => OfBmp(file),
            SKEncodedImageFormat.Webp => OfWebP(file),
            _ => default,
        };

    /// <summary>What is unusual, and what becomes of it; null where nothing is.</summary>
    public string? Oddity
    {
        get
        {
            var found = new List<string>();
            if (Animated)
                found.Add("animated (its first frame is read)");
            if (Grey)
                found.Add("greyscale (red, green and blue become equal)");
            if (Cmyk)
                found.Add("CMYK (turned into red, green and blue)");
            if (Deep)
                found.Add("16 bits deep (the upper 8 are read)");
            return found.Count == 0 ? null : string.Join(", ", found);
        }
    }

    /// <summary>Chunks of length, type, data and checksum up to the first with pixels.</summary>
    private static PictureHeader OfPng(ReadOnlySpan<byte> rest)
    {
        var header = default(PictureHeader);
        while (rest.Length >= 8)
        {
            var length = BinaryPrimitives.ReadUInt32BigEndian(rest);
            var type = rest.Slice(4, 4);
            if (type.SequenceEqual("IDAT"u8))
                break;
            if (type.SequenceEqual("IHDR"u8) && rest.Length >= 8 + 13)
                header = header with
                {
                    Deep = rest[8 + 8] == 16,
                    Grey = (rest[8 + 9] & 2) == 0,
                    Width = BinaryPrimitives.ReadUInt32BigEndian(rest[8..]),
                    Height = BinaryPrimitives.ReadUInt32BigEndian(rest[12..]),
                };
            if (type.SequenceEqual("acTL"u8) && rest.Length >= 8 + 4)
                header = header with { Animated = BinaryPrimitives.ReadUInt32BigEndian(rest[8..]) > 1 };
            if (length > rest.Length - 12L)
                break;
            rest = rest[(int)(12 + length)..];
        }

        return header;
    }

    /// <summary>Segments of marker and length up to the start of the frame.</summary>
    private static PictureHeader OfJpeg(ReadOnlySpan<byte> rest)
    {
        while (rest.Length >= 10 && rest[0] == 0xFF)
        {
            var marker = rest[1];
            if (marker == 0xFF)
            {
                rest = rest[1..];
                continue;
            }

            // C4, C8 and CC lie among the starts of frames but are tables and an extension.
            if (marker is >= 0xC0 and <= 0xCF and not (0xC4 or 0xC8 or 0xCC))
                return new PictureHeader(
                    Grey: rest[9] == 1,
                    Cmyk: rest[9] == 4,
                    Deep: rest[4] > 8,
                    Animated: false,
                    Width: BinaryPrimitives.ReadUInt16BigEndian(rest[7..]),
                    Height: BinaryPrimitives.ReadUInt16BigEndian(rest[5..])
                );
            var length = BinaryPrimitives.ReadUInt16BigEndian(rest[2..]);
            if (length < 2 || length + 2 > rest.Length)
                break;
            rest = rest[(length + 2)..];
        }

        return default;
    }

    /// <summary>Two layouts, told by the length of the second header. A negative height stands for rows from the top.
    /// </summary>
    private static PictureHeader OfBmp(ReadOnlySpan<byte> file) =>
        file.Length < 26 ? default
        : BinaryPrimitives.ReadUInt32LittleEndian(file[14..]) == 12
            ? new()
            {
                Width = BinaryPrimitives.ReadUInt16LittleEndian(file[18..]),
                Height = BinaryPrimitives.ReadUInt16LittleEndian(file[20..]),
            }
        : new()
        {
            Width = Math.Abs((long)BinaryPrimitives.ReadInt32LittleEndian(file[18..])),
            Height = Math.Abs((long)BinaryPrimitives.ReadInt32LittleEndian(file[22..])),
        };

    /// <summary>Three layouts, told by the name of the first chunk.</summary>
    private static PictureHeader OfWebP(ReadOnlySpan<byte> file)
    {
        if (file.Length < 30)
            return default;
        var chunk = file.Slice(12, 4);
        if (chunk.SequenceEqual("VP8X"u8))
            return new() { Width = 1 + Little24(file[24..]), Height = 1 + Little24(file[27..]) };
        if (chunk.SequenceEqual("VP8 "u8))
            return new()
            {
                Width = BinaryPrimitives.ReadUInt16LittleEndian(file[26..]) & 0x3FFF,
                Height = BinaryPrimitives.ReadUInt16LittleEndian(file[28..]) & 0x3FFF,
            };
        if (!chunk.SequenceEqual("VP8L"u8))
            return default;
        var bits = BinaryPrimitives.ReadUInt32LittleEndian(file[21..]);
        return new() { Width = 1 + (bits & 0x3FFF), Height = 1 + ((bits >> 14) & 0x3FFF) };
    }

    private static int Little24(ReadOnlySpan<byte> bytes) => bytes[0] | (bytes[1] << 8) | (bytes[2] << 16);
}
