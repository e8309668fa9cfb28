namespace Hybrid.Host.Data;

/// <summary>Where a figure lies on the canvas.</summary>
/// <param name="X">Its centre, pixels from the left.</param>
/// <param name="Y">Its centre, pixels from the top.</param>
/// <param name="Radius">Pixels for one unit of the figure's plane.</param>
/// <param name="Cos">Cosine of its rotation.</param>
/// <param name="Sin">Sine of its rotation.</param>
/// <param name="Stretch">A factor on the figure's width; its height is divided by the same.</param>
internal readonly record struct Pose(double X, double Y, double Radius, double Cos, double Sin, double Stretch)
{
    /// <summary>Pixels from the centre beyond which nothing is painted: figures reach 1.31, stretched 1.35.</summary>
    public double Reach => Radius * 1.5 + 1;

    /// <summary>From a point of the canvas to the figure's plane.</summary>
    public (double X, double Y) ToPlane(double x, double y)
    {
        var (dx, dy) = ((x - X) / Radius, (y - Y) / Radius);
        return ((dx * Cos + dy * Sin) / Stretch, (dy * Cos - dx * Sin) * Stretch);
    }
}
