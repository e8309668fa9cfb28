using Hybrid.Host.Runtime;

namespace Hybrid.Host.Data;

/// <summary>
/// Labelled colour images of one size, as bytes. Nothing in a set changes after it is made: the arrays are shared with
/// whoever turns them into tensors and are to be read, never written.
/// </summary>
public sealed class ImageSet
{
    /// <summary>Red, green and blue.</summary>
    public const int Channels = 3;

    /// <summary>Takes the arrays as they are, without a copy.</summary>
    /// <param name="images">0..255, <c>[N, H, W, 3]</c>, contiguous.</param>
    /// <param name="labels"><c>[N]</c>, each an index into <paramref name="classes"/>.</param>
    /// <exception cref="ArgumentException">The lengths disagree.</exception>
    public ImageSet(byte[] images, long[] labels, IReadOnlyList<string> classes, int height, int width)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(height);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(width);
        if (images.LongLength != (long)labels.Length * height * width * Channels)
        {
            throw new ArgumentException(
                $"{labels.Length} images of {height}x{width}x{Channels} do not take {images.LongLength} bytes"
            );
        }

        (Images, Labels, Classes, Height, Width) = (images, labels, classes, height, width);
    }

    /// <summary>Bytes 0..255, <c>[N, H, W, 3]</c>: channels last, contiguous.</summary>
    public byte[] Images { get; }

    /// <summary>Class indices, <c>[N]</c>; 64 bits wide because that is what the loss reads.</summary>
    public long[] Labels { get; }

    /// <summary>The name of class i at position i.</summary>
    public IReadOnlyList<string> Classes { get; }

    public int Height { get; }

    public int Width { get; }

    /// <summary>The number of images.</summary>
    public int Count => Labels.Length;

    /// <summary>Bytes of one image.</summary>
    public int ImageBytes => Height * Width * Channels;

    /// <summary>The same bytes as a set to train on.</summary>
    public Dataset ToDataset() => Datasets.OfBytes(Images, Labels, Height, Width, [.. Classes]);

    /// <summary>One image, <c>[H, W, 3]</c>, without a copy.</summary>
    public ReadOnlySpan<byte> Image(int index) => Images.AsSpan(index * ImageBytes, ImageBytes);

    /// <summary>An array for <paramref name="count"/> images, <c>[N, H, W, 3]</c>, its bytes not yet set.</summary>
    /// <param name="what">What the images are, for the message.</param>
    /// <exception cref="RequestException">They take more bytes than one array of .NET holds (2 GiB).</exception>
    public static byte[] Allocate(long count, int height, int width, string what)
    {
        // Divided rather than multiplied, so that no count and no size overflows on its way into the comparison.
        var most = Array.MaxLength / Channels / Math.Max(height, 1) / Math.Max(width, 1);
        if (count > most)
        {
            throw new RequestException(
                $"{what}: {count:N0} images of {height}x{width} take more than the 2 GiB that one set may hold; "
                    + $"at most {most:N0} of that size fit: use fewer or smaller images"
            );
        }

        return GC.AllocateUninitializedArray<byte>(checked((int)(count * height * width * Channels)));
    }
}
