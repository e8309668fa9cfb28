using Hybrid.Host.Runtime;

namespace Hybrid.Host.Data;

/// <summary>
/// The data set that needs no file: 32x32 colour pictures of ten figures, drawn from a seed. Place, size, rotation,
/// proportions, colours, ground, clutter and grain are random and independent of the class. Only operations that
/// IEEE 754 rounds exactly are used, so a seed gives the same bytes on every machine.
/// </summary>
public static class Shapes
{
    /// <summary>Pixels a side.</summary>
    public const int Side = 32;

    /// <summary>Pictures of the training split where nothing else is asked for.</summary>
    public const int TrainCount = 10_000;

    /// <summary>Pictures of the test split where nothing else is asked for.</summary>
    public const int TestCount = 2_000;

    /// <summary>The seed whose pictures are meant by "the shapes data set".</summary>
    public const ulong Seed = 1;

    /// <summary>The ten class names in the order of their labels.</summary>
    public static IReadOnlyList<string> Classes { get; } = [.. Figure.All.Select(figure => figure.Name)];

    /// <summary>The split of the default seed and size: 10,000 or 2,000 pictures.</summary>
    public static ImageSet Draw(Split split) => Draw(Seed, split, split == Split.Train ? TrainCount : TestCount);

    /// <summary>
    /// <paramref name="count"/> pictures, <c>[count, 32, 32, 3]</c>. Every ten in a row hold each class once, in random
    /// order; fewer pictures of a seed and split are the beginning of more. The two splits share no draw.
    /// </summary>
    /// <exception cref="RequestException">The pictures would not fit into one array (2 GiB).</exception>
    public static ImageSet Draw(ulong seed, Split split, int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        var images = ImageSet.Allocate(count, Side, Side, "the drawn set");
        var labels = Order(seed, split, count);
        var bytes = Side * Side * ImageSet.Channels;
        Parallel.For(
            0,
            count,
            static () => new Scene(new Canvas(Side), Side),
            (index, _, scene) =>
            {
                var draws = new DrawStream(seed, 2 * (ulong)split, (ulong)index);
                scene.Draw(Figure.All[(int)labels[index]], ref draws, images.AsSpan(index * bytes, bytes));
                return scene;
            },
            static _ => { }
        );
        return new ImageSet(images, labels, Classes, Side, Side);
    }

    private static long[] Order(ulong seed, Split split, int count)
    {
        var labels = new long[count];
        Span<long> block = stackalloc long[Figure.All.Count];
        for (var start = 0; start < count; start += block.Length)
        {
            // Odd streams order the classes, even ones draw the pictures.
            var draws = new DrawStream(seed, 2 * (ulong)split + 1, (ulong)start);
            for (var i = 0; i < block.Length; i++)
            {
                var j = draws.Below(i + 1);
                block[i] = block[j];
                block[j] = i;
            }

            block[..Math.Min(block.Length, count - start)].CopyTo(labels.AsSpan(start));
        }

        return labels;
    }
}
