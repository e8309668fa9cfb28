using System.Numerics;

namespace Hybrid.Host.Data;

/// <summary>A small square picture being painted: red, green and blue in 0..1, rows from the top.</summary>
/// <param name="side">Pixels a side.</param>
internal sealed class Canvas(int side)
{
    private readonly double[] _pixels = new double[side * side * ImageSet.Channels];

    /// <summary>Covers everything with a gradient between two colours, and cloudy patches over it.</summary>
    /// <param name="patchiness">The greatest difference that a patch makes.</param>
    public void Ground(Colour from, Colour to, double patchiness, ref DrawStream draws)
    {
        const int cells = 5;
        Span<double> heights = stackalloc double[cells * cells];
        foreach (ref var height in heights)
        {
            height = draws.Between(-patchiness, patchiness);
        }

        var (cos, sin) = draws.Direction();
        var scale = (cells - 1.0) / side;
        for (var row = 0; row < side; row++)
        {
            for (var column = 0; column < side; column++)
            {
                var (u, v) = ((column + 0.5) * scale, (row + 0.5) * scale);
                var (i, j) = ((int)u, (int)v);
                var (fu, fv) = (Ease(u - i), Ease(v - j));
                var corner = heights[(j * cells + i)..];
                var upper = corner[0] + (corner[1] - corner[0]) * fu;
                var lower = corner[cells] + (corner[cells + 1] - corner[cells]) * fu;
                var patch = upper + (lower - upper) * fv;
                var along = 0.5 + ((column + 0.5 - side * 0.5) * cos + (row + 0.5 - side * 0.5) * sin) / (side * 1.5);
                var colour = from.Toward(to, along);
                var at = (row * side + column) * ImageSet.Channels;
                _pixels[at] = colour.Red + patch;
                _pixels[at + 1] = colour.Green + patch;
                _pixels[at + 2] = colour.Blue + patch;
            }
        }
    }

    /// <summary>Paints a figure, its edge softened over one pixel.</summary>
    /// <param name="near">The colour at the left end of the figure's own plane.</param>
    /// <param name="far">The colour at its right end.</param>
    public void Paint(Func<double, double, double> signedDistance, in Pose pose, Colour near, Colour far)
    {
        var (left, right) = Extent(pose.X, pose.Reach);
        var (top, bottom) = Extent(pose.Y, pose.Reach);
        for (var row = top; row < bottom; row++)
        {
            for (var column = left; column < right; column++)
            {
                var (x, y) = pose.ToPlane(column + 0.5, row + 0.5);
                var cover = Math.Clamp(0.5 - signedDistance(x, y) * pose.Radius, 0, 1);
                if (cover > 0)
                {
                    var colour = near.Toward(far, 0.5 + 0.5 * x);
                    var at = (row * side + column) * ImageSet.Channels;
                    _pixels[at] += (colour.Red - _pixels[at]) * cover;
                    _pixels[at + 1] += (colour.Green - _pixels[at + 1]) * cover;
                    _pixels[at + 2] += (colour.Blue - _pixels[at + 2]) * cover;
                }
            }
        }
    }

    /// <summary>Writes the picture as bytes, <c>[side, side, 3]</c>, with noise over it.</summary>
    /// <param name="grain">The standard deviation of the noise, where the brightest is 1.</param>
    public void Develop(double grain, ref DrawStream draws, Span<byte> destination)
    {
        // The ones among 64 random bits: mean 32, standard deviation 4, and close enough to a normal draw.
        var perBit = grain * 0.25;
        for (var i = 0; i < _pixels.Length; i++)
        {
            var value = _pixels[i] + (BitOperations.PopCount(draws.Bits()) - 32) * perBit;
            destination[i] = (byte)Math.Clamp(value * 255 + 0.5, 0, 255);
        }
    }

    private static double Ease(double t) => t * t * (3 - 2 * t);

    private (int From, int To) Extent(double centre, double reach) =>
        (Math.Max(0, (int)(centre - reach)), Math.Min(side, Math.Max(0, (int)(centre + reach) + 1)));
}
