namespace Hybrid.Host.Data;

/// <summary>
/// A figure of the drawn set, in its own plane: about the origin, of radius about 1, y downwards. Every figure is its
/// own mirror image, so flipping a picture never changes its class.
/// </summary>
/// <param name="Name">The name of the class.</param>
/// <param name="SignedDistance">(x, y) to the distance from the outline, negative inside.</param>
internal sealed record Figure(string Name, Func<double, double, double> SignedDistance)
{
    /// <summary>The ten classes in the order of their labels.</summary>
    public static IReadOnlyList<Figure> All { get; } =
    [
        new("disc", static (x, y) => Length(x, y) - 0.9),
        new("ring", static (x, y) => Math.Abs(Length(x, y) - 0.75) - 0.22),
        new("square", new Polygon((-0.8, -0.8), (0.8, -0.8), (0.8, 0.8), (-0.8, 0.8)).SignedDistance),
        new("triangle", new Polygon((0, -1.1), (0.9526, 0.55), (-0.9526, 0.55)).SignedDistance),
        new("star", Star().SignedDistance),
        new("cross", Cross(1, 0.3).SignedDistance),
        new("crescent", static (x, y) => Math.Max(Length(x, y - 0.1) - 0.95, 0.78 - Length(x, y - 0.52))),
        new("heart", Heart),
        new("arrow", Arrow().SignedDistance),
        new("bars", Bars),
    ];

    private static Polygon Star()
    {
        // The corners of two regular pentagons in turn. Cosines and sines of multiples of 36 degrees, written out
        // because a library's sine may differ in its last bit from machine to machine.
        (double X, double Y)[] outer =
        [
            (0, -1),
            (0.951056516295, -0.309016994375),
            (0.587785252292, 0.809016994375),
            (-0.587785252292, 0.809016994375),
            (-0.951056516295, -0.309016994375),
        ];
        const double reach = 1.1,
            notch = 0.46;
        return new Polygon([
            .. Enumerable
                .Range(0, 5)
                .SelectMany(i =>
                    new[]
                    {
                        (outer[i].X * reach, outer[i].Y * reach),
                        (-outer[(i + 3) % 5].X * notch, -outer[(i + 3) % 5].Y * notch),
                    }
                ),
        ]);
    }

    private static Polygon Cross(double reach, double half) =>
        new(
            (-half, -reach),
            (half, -reach),
            (half, -half),
            (reach, -half),
            (reach, half),
            (half, half),
            (half, reach),
            (-half, reach),
            (-half, half),
            (-reach, half),
            (-reach, -half),
            (-half, -half)
        );

    private static Polygon Arrow() =>
        new((0, -1.1), (0.8, -0.15), (0.27, -0.15), (0.27, 1.05), (-0.27, 1.05), (-0.27, -0.15), (-0.8, -0.15));

    private static double Heart(double x, double y)
    {
        // A square standing on a corner, with a disc over each of its upper sides.
        x = Math.Abs(x);
        y -= 0.1;
        const double half = 0.6,
            root = 0.70710678118654752;
        var square = Math.Max(Math.Abs(x + y), Math.Abs(x - y)) * root - half;
        var lobe = Length(x - half * root, y + half * root) - half;
        return Math.Min(square, lobe);
    }

    private static double Bars(double x, double y)
    {
        // Three bars side by side, by symmetry one bar at the middle and one at either hand.
        x = Math.Abs(x);
        var across = Math.Min(x, Math.Abs(x - 0.72)) - 0.2;
        return Math.Max(across, Math.Abs(y) - 0.92);
    }

    private static double Length(double x, double y) => Math.Sqrt(x * x + y * y);
}
