using System.Globalization;
using Hybrid.Host.Runtime;

namespace Hybrid.Host.Report;

/// <summary>Numbers as a report writes them. What was not measured is a dash.</summary>
public static class Figures
{
    public const string None = "–";

    public static string Loss(double? loss) =>
        loss is { } it && double.IsFinite(it) ? it.ToString("F4", CultureInfo.InvariantCulture) : None;

    public static string Share(double? share) => share is { } it && double.IsFinite(it) ? Output.Percent(it) : None;

    /// <summary>A share in percent, where more digits would be of no use.</summary>
    public static string Percent(double share) =>
        double.IsFinite(share) ? (share * 100).ToString("F1", CultureInfo.InvariantCulture) + "%" : None;

    public static string Count(long count) => count.ToString("N0", CultureInfo.InvariantCulture);

    public static string Millions(long count) =>
        (count / 1e6).ToString("F1", CultureInfo.InvariantCulture) + " million";

    public static string Number(double value) => value.ToString("G6", CultureInfo.InvariantCulture);

    public static string Seconds(double seconds) =>
        TimeSpan.FromSeconds(seconds) switch
        {
            { TotalSeconds: < 100 } t => t.TotalSeconds.ToString("F1", CultureInfo.InvariantCulture) + " s",
            { TotalMinutes: < 60 } t => $"{t.Minutes} min {t.Seconds} s",
            var t => $"{(int)t.TotalHours} h {t.Minutes} min",
        };
}
