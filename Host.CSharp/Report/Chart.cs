using System.Globalization;
using System.Text.RegularExpressions;
using OxyPlot;
using OxyPlot.Annotations;
using OxyPlot.Axes;
using OxyPlot.Series;

namespace Hybrid.Host.Report;

/// <summary>
/// A plot as SVG inside the page. Its text stays text, which the browser sets: a machine without fonts draws the same.
/// Its colours are those of the page's style sheet, light or dark.
/// </summary>
public sealed partial class Chart
{
    private const double Width = 420;
    private const double Height = 270;

    /// <summary>Colours of the style sheet, each under a stand-in, since the library knows only colours of numbers.
    /// </summary>
    private static readonly string[] Inks = ["ink", "faint", "s1", "s2", "s3", "s4", "s5", "s6", "wash"];

    private readonly PlotModel _model = new()
    {
        PlotAreaBorderThickness = new OxyThickness(0),
        PlotMargins = new OxyThickness(52, 10, 14, 40),
        Padding = new OxyThickness(0),
        TextColor = Ink("ink"),
        DefaultFontSize = 12,
    };

    /// <param name="horizontal">What the horizontal axis tells; what the vertical one does, the plot's caption says.
    /// </param>
    public Chart(string horizontal)
    {
        Horizontal = Axis(AxisPosition.Bottom, horizontal);
        Vertical = Axis(AxisPosition.Left, "");
        _model.Axes.Add(Horizontal);
        _model.Axes.Add(Vertical);
    }

    public LinearAxis Horizontal { get; }

    public LinearAxis Vertical { get; }

    /// <summary>The colour of a series by its place: where there are more, they begin again.</summary>
    public static string SeriesInk(int place) => $"s{place % 6 + 1}";

    /// <summary>Points joined by a line; those that are no number are left out. Few points are marked.</summary>
    public Chart Line(IEnumerable<(double X, double Y)> points, string ink, bool stairs = false)
    {
        var series = stairs ? new StairStepSeries() : new LineSeries();
        series.Points.AddRange(points.Where(it => double.IsFinite(it.Y)).Select(it => new DataPoint(it.X, it.Y)));
        (series.Color, series.StrokeThickness) = (Ink(ink), 2);
        if (series.Points.Count <= 12 && !stairs)
            (series.MarkerType, series.MarkerSize, series.MarkerFill) = (MarkerType.Circle, 3, Ink(ink));
        _model.Series.Add(series);
        return this;
    }

    /// <summary>Shares from 0 to 1 as whole percent.</summary>
    public static void Percents(LinearAxis axis)
    {
        (axis.Minimum, axis.Maximum, axis.MajorStep) = (0, 1, 0.2);
        axis.LabelFormatter = share => $"{share * 100:0}";
    }

    /// <summary>Upright bars from zero.</summary>
    public Chart Bars(IEnumerable<(double From, double To, double Height)> bars, string ink)
    {
        var series = new RectangleBarSeries { StrokeThickness = 0, FillColor = Ink(ink) };
        foreach (var (from, to, height) in bars)
            series.Items.Add(new RectangleBarItem(from, 0, to, height));
        _model.Series.Add(series);
        return this;
    }

    /// <summary>A broken line upright at a place.</summary>
    public Chart Mark(double x)
    {
        _model.Annotations.Add(Broken(new LineAnnotation { Type = LineAnnotationType.Vertical, X = x }, "faint"));
        return this;
    }

    /// <summary>A broken line where both axes say the same.</summary>
    public Chart Diagonal()
    {
        _model.Annotations.Add(Broken(new LineAnnotation { Slope = 1 }, "ink"));
        return this;
    }

    /// <param name="told">What the plot shows, for who cannot see it.</param>
    public Html Draw(string told)
    {
        var svg = SvgExporter.ExportToString(_model, Width, Height, false);
        if (_model.GetLastPlotException() is { } error)
            throw new InvalidOperationException($"'{told}' cannot be drawn", error);
        svg = svg[(svg.IndexOf('>', svg.IndexOf("<svg", StringComparison.Ordinal)) + 1)..];
        // Fonts are the page's. Nothing is drawn outside the axes, and names of clipping paths would be the same in all
        // the plots of a page.
        svg = Unwanted().Replace(svg, "");
        for (var place = 0; place < Inks.Length; place++)
            svg = svg.Replace(Text(Ink(Inks[place])), $"var(--{Inks[place]})", StringComparison.Ordinal);
        var (width, height) = ((int)Width, (int)Height);
        return Html.Of(
            $"""<svg class="chart" viewBox="0 0 {width} {height}" role="img" aria-label="{told}">{Html.Trusted(svg)}"""
        );
    }

    private static LineAnnotation Broken(LineAnnotation line, string ink)
    {
        (line.Color, line.LineStyle, line.StrokeThickness) = (Ink(ink), LineStyle.Dash, 1.5);
        return line;
    }

    private static LinearAxis Axis(AxisPosition position, string title) =>
        new()
        {
            Position = position,
            Title = title,
            TicklineColor = Ink("wash"),
            AxislineColor = Ink("faint"),
            AxislineStyle = position == AxisPosition.Bottom ? LineStyle.Solid : LineStyle.None,
            MajorGridlineStyle = position == AxisPosition.Left ? LineStyle.Solid : LineStyle.None,
            MajorGridlineColor = Ink("wash"),
            MinorTickSize = 0,
            MajorTickSize = position == AxisPosition.Bottom ? 4 : 0,
            AxisTitleDistance = 6,
            IntervalLength = position == AxisPosition.Left ? 45 : 60,
        };

    private static OxyColor Ink(string name) => OxyColor.FromRgb(1, 2, (byte)(100 + Array.IndexOf(Inks, name)));

    private static string Text(OxyColor colour) =>
        string.Create(CultureInfo.InvariantCulture, $"rgb({colour.R},{colour.G},{colour.B})");

    [GeneratedRegex(
        """<defs>.*?</defs>\s*| font-family="[^"]*"| clip-path="[^"]*"|(?<=\n) +""",
        RegexOptions.Singleline
    )]
    private static partial Regex Unwanted();
}
