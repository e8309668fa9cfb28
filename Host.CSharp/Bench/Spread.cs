namespace Hybrid.Host.Bench;

/// <summary>What some repeats of a measurement came to.</summary>
public sealed record Spread(double Median, double Min, double Max)
{
    public static Spread Of(IEnumerable<double> values)
    {
        var sorted = values.Order().ToArray();
        var middle = sorted.Length / 2;
        var median = sorted.Length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
        return new Spread(Rounded(median), Rounded(sorted[0]), Rounded(sorted[^1]));
    }

    /// <summary>Pair by pair: what was measured side by side is compared.</summary>
    public static Spread Ratio(IEnumerable<double> ours, IEnumerable<double> theirs) =>
        Of(ours.Zip(theirs, (a, b) => a / b));

    private static double Rounded(double value) =>
        value == 0 ? 0 : Math.Round(value, Math.Max(0, 4 - (int)Math.Log10(Math.Abs(value))));
}
