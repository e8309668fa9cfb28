using System.Security.Cryptography;
using System.Text;

namespace Hybrid.Host.Data;

/// <summary>A digest of images as they are trained and tested on, wherever they lie.</summary>
internal static class ImageDigest
{
    /// <summary>SHA-256 of counts, pixels and labels of some parts, in their order.</summary>
    public static string Of(params IReadOnlyList<Dataset> parts)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var part in parts)
        {
            hash.AppendData(Encoding.UTF8.GetBytes($"{part.Count}\n"));
            foreach (var pixels in Datasets.Chunks(part))
                hash.AppendData(pixels.bytes);
            hash.AppendData(part.Labels.bytes);
        }
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
