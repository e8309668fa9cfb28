namespace Hybrid.Host.Data;

/// <summary>Red, green and blue, each in 0..1.</summary>
internal readonly record struct Colour(double Red, double Green, double Blue)
{
    /// <summary>The mean of the three parts.</summary>
    public double Lightness => (Red + Green + Blue) / 3;

    /// <summary>Uniform over the cube of colours.</summary>
    public static Colour Any(ref DrawStream draws) =>
        new(draws.Between(0.05, 0.95), draws.Between(0.05, 0.95), draws.Between(0.05, 0.95));

    /// <summary>A colour at least this far from another one, so that a figure can be seen on its ground.</summary>
    public static Colour Apart(Colour other, double distance, ref DrawStream draws)
    {
        while (true)
        {
            var colour = Any(ref draws);
            if (colour.Square(other) >= distance * distance)
            {
                return colour;
            }
        }
    }

    /// <summary>A colour near this one: every part moved by up to <paramref name="spread"/>.</summary>
    public Colour Near(double spread, ref DrawStream draws) =>
        new(
            Math.Clamp(Red + draws.Between(-spread, spread), 0, 1),
            Math.Clamp(Green + draws.Between(-spread, spread), 0, 1),
            Math.Clamp(Blue + draws.Between(-spread, spread), 0, 1)
        );

    /// <summary>The mixture with a part <paramref name="t"/> (held to 0..1) of <paramref name="other"/>.</summary>
    public Colour Toward(Colour other, double t)
    {
        t = Math.Clamp(t, 0, 1);
        return new(Red + (other.Red - Red) * t, Green + (other.Green - Green) * t, Blue + (other.Blue - Blue) * t);
    }

    private double Square(Colour other)
    {
        var (red, green, blue) = (Red - other.Red, Green - other.Green, Blue - other.Blue);
        return red * red + green * green + blue * blue;
    }
}
