namespace Hybrid.Host.Data;

/// <summary>
/// A stream of random numbers for one picture. Where it starts depends only on the seed, the split and the picture's
/// position, so pictures can be drawn in any order, on any number of threads.
/// </summary>
internal struct DrawStream
{
    private ulong _state;

    public DrawStream(ulong seed, ulong split, ulong index) =>
        // Each part is mixed before the next is added: neighbouring seeds must not share pictures one position apart.
        _state = SplitMix64.Mix(
            SplitMix64.Mix(SplitMix64.Mix(seed + SplitMix64.Golden) + split + SplitMix64.Golden)
                + index
                + SplitMix64.Golden
        );

    /// <summary>64 random bits.</summary>
    public ulong Bits()
    {
        _state += SplitMix64.Golden;
        return SplitMix64.Mix(_state);
    }

    /// <summary>Uniform on [0, 1), a multiple of 2^-53: exact on every machine.</summary>
    public double Unit() => (Bits() >> 11) * (1.0 / (1UL << 53));

    /// <summary>Uniform on [<paramref name="low"/>, <paramref name="high"/>).</summary>
    public double Between(double low, double high) => low + (high - low) * Unit();

    /// <summary>Uniform on 0 .. <paramref name="count"/> - 1.</summary>
    public int Below(int count) => (int)((Bits() >> 32) * (ulong)count >> 32);

    public bool Chance(double probability) => Unit() < probability;

    /// <summary>
    /// A direction, uniform on the circle, as (cosine, sine). Drawn as a point of the disc and scaled to length 1:
    /// the square root is rounded the same everywhere, which no library promises of its sine.
    /// </summary>
    public (double Cos, double Sin) Direction()
    {
        while (true)
        {
            var x = Between(-1, 1);
            var y = Between(-1, 1);
            var square = x * x + y * y;
            if (square is > 0.0001 and <= 1)
            {
                var length = Math.Sqrt(square);
                return (x / length, y / length);
            }
        }
    }

    /// <summary>A tilt to either side of upright, as (cosine, sine), its tangent uniform up to a bound.</summary>
    public (double Cos, double Sin) Tilt(double steepest)
    {
        var slope = Between(-steepest, steepest);
        var length = Math.Sqrt(1 + slope * slope);
        return (1 / length, slope / length);
    }
}
