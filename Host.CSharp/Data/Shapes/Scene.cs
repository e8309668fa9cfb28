namespace Hybrid.Host.Data;

/// <summary>One picture of the drawn set: a ground, one figure, some clutter behind and before it, and grain.</summary>
/// <param name="canvas">Painted over from picture to picture.</param>
/// <param name="side">Pixels a side of the canvas.</param>
internal sealed class Scene(Canvas canvas, int side)
{
    private static readonly Figure Stroke = new(
        "stroke",
        static (x, y) =>
        {
            var beyond = x - Math.Clamp(x, -1, 1);
            return Math.Sqrt(beyond * beyond + y * y) - 0.18;
        }
    );

    private static readonly Figure Blob = new("blob", static (x, y) => Math.Sqrt(x * x + y * y) - 1);

    /// <summary>Draws a picture of the figure into <paramref name="destination"/>, <c>[side, side, 3]</c>.</summary>
    public void Draw(Figure figure, ref DrawStream draws, Span<byte> destination)
    {
        // Colours are drawn before anything that depends on the class, so they tell nothing about it. The figure is
        // the lighter of the two more often than not, as lit things are.
        var ground = Colour.Any(ref draws);
        var paint = Colour.Apart(ground, 0.55, ref draws);
        if (paint.Lightness < ground.Lightness && draws.Chance(0.8))
        {
            (ground, paint) = (paint, ground);
        }

        canvas.Ground(ground.Near(0.2, ref draws), ground.Near(0.2, ref draws), 0.08, ref draws);

        for (var i = draws.Below(2); i > 0; i--)
        {
            Fragment(ref draws);
        }

        Clutter(draws.Below(3), ref draws);
        canvas.Paint(
            figure.SignedDistance,
            Lay(draws.Between(8.5, 12.5), ref draws),
            paint.Near(0.1, ref draws),
            paint.Near(0.1, ref draws)
        );
        Clutter(draws.Below(3), ref draws);
        canvas.Develop(draws.Between(0.01, 0.05), ref draws, destination);
    }

    private Pose Lay(double radius, ref DrawStream draws)
    {
        // A figure may touch the frame and lose a corner to it, not more.
        var margin = radius * 1.1;
        var (cos, sin) = draws.Tilt(0.7);
        return new Pose(
            draws.Between(margin, side - margin),
            draws.Between(margin, side - margin),
            radius,
            cos,
            sin,
            draws.Between(0.85, 1.18)
        );
    }

    private void Clutter(int count, ref DrawStream draws)
    {
        for (; count > 0; count--)
        {
            var colour = Colour.Any(ref draws);
            var (figure, radius) = draws.Chance(0.5)
                ? (Stroke, draws.Between(2.5, 5))
                : (Blob, draws.Between(0.8, 1.8));
            var (cos, sin) = draws.Direction();
            var pose = new Pose(draws.Between(0, side), draws.Between(0, side), radius, cos, sin, 1);
            canvas.Paint(figure.SignedDistance, pose, colour, colour);
        }
    }

    /// <summary>A piece of any figure that looks into the frame from outside.</summary>
    private void Fragment(ref DrawStream draws)
    {
        var figure = Figure.All[draws.Below(Figure.All.Count)];
        var colour = Colour.Any(ref draws);
        var radius = draws.Between(4, 8);
        var along = draws.Between(0, side);
        var outside = draws.Chance(0.5) ? -radius * 0.4 : side + radius * 0.4;
        var (x, y) = draws.Chance(0.5) ? (along, outside) : (outside, along);
        var (cos, sin) = draws.Direction();
        canvas.Paint(figure.SignedDistance, new Pose(x, y, radius, cos, sin, 1), colour, colour);
    }
}
