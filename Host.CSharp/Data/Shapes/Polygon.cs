namespace Hybrid.Host.Data;

/// <summary>A simple closed polygon, for its signed distance.</summary>
/// <param name="corners">In order, either way round; the last one joins the first.</param>
internal sealed class Polygon(params (double X, double Y)[] corners)
{
    private readonly Edge[] _edges =
    [
        .. corners.Select((from, i) => Edge.Between(from, corners[(i + 1) % corners.Length])),
    ];

    /// <summary>The distance from (x, y) to the outline, negative inside.</summary>
    public double SignedDistance(double x, double y)
    {
        var nearest = double.MaxValue;
        var inside = false;
        foreach (ref readonly var edge in _edges.AsSpan())
        {
            var (px, py) = (x - edge.X, y - edge.Y);
            var along = Math.Clamp((px * edge.DX + py * edge.DY) * edge.PerSquare, 0, 1);
            var (ox, oy) = (px - along * edge.DX, py - along * edge.DY);
            nearest = Math.Min(nearest, ox * ox + oy * oy);

            // A ray from the point in the direction of +x crosses the outline an odd number of times from inside.
            if (py >= 0 != (py >= edge.DY) && px * edge.DY < edge.DX * py == edge.DY > 0)
            {
                inside = !inside;
            }
        }

        var distance = Math.Sqrt(nearest);
        return inside ? -distance : distance;
    }

    private readonly record struct Edge(double X, double Y, double DX, double DY, double PerSquare)
    {
        public static Edge Between((double X, double Y) from, (double X, double Y) to)
        {
            var (dx, dy) = (to.X - from.X, to.Y - from.Y);
            return new Edge(from.X, from.Y, dx, dy, 1 / (dx * dx + dy * dy));
        }
    }
}
