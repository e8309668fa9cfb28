using System.Buffers.Binary;

namespace Hybrid.Host.Data;

/// <summary>What the first bytes of a PNG or JPEG file say of the picture that its decoder would not tell.</summary>
/// <param name="Grey">One channel of colour.</param>
/// <param name="Cmyk">Four channels of ink.</param>
/// <param name="Deep">More than eight bits a channel.</param>
/// <param name="Animated">More than one frame.</param>
internal readonly record struct PictureHeader(bool Grey, bool Cmyk, bool Deep, bool Animated)
{
    private static ReadOnlySpan<byte> PngSignature => [0x89, (byte)'P', (byte)'N', (byte)'G', 13, 10, 26, 10];

    /// <summary>Reads what can be read; says nothing of what is cut off or in another format.</summary>
    public static PictureHeader Of(ReadOnlySpan<byte> file) =>
        file.StartsWith(PngSignature) ? OfPng(file[PngSignature.Length..])
        : file.StartsWith((ReadOnlySpan<byte>)[0xFF, 0xD8]) ? OfJpeg(file[2..])
        : default;

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
                header = header with { Deep = rest[8 + 8] == 16, Grey = (rest[8 + 9] & 2) == 0 };
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
                return new PictureHeader(Grey: rest[9] == 1, Cmyk: rest[9] == 4, Deep: rest[4] > 8, Animated: false);
            var length = BinaryPrimitives.ReadUInt16BigEndian(rest[2..]);
            if (length < 2 || length + 2 > rest.Length)
                break;
            rest = rest[(length + 2)..];
        }

        return default;
    }
}
