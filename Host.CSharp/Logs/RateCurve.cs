using System.Globalization;
using OxyPlot;
using OxyPlot.Axes;
using OxyPlot.Series;

namespace Hybrid.Host.Logs;

/// <summary>How the loss went over the learning rates: numbers and a picture.</summary>
public sealed class RateCurve(IReadOnlyList<RatePoint> points, double suggestion)
{
    private const string Name = "lr_find";

    /// <summary>Writes <c>lr_find.csv</c> and <c>lr_find.svg</c>.</summary>
    public void Write(string folder)
    {
        using (var file = new StreamWriter(Path.Combine(folder, $"{Name}.csv")) { NewLine = "\n" })
        {
            file.WriteLine("lr,loss,smoothed_loss");
            foreach (var point in points)
                file.WriteLine(
                    string.Create(CultureInfo.InvariantCulture, $"{point.Rate},{point.Loss},{point.Smoothed}")
                );
        }
        File.WriteAllText(Path.Combine(folder, $"{Name}.svg"), Draw());
    }

    private string Draw()
    {
        var plot = new PlotModel { Title = $"Learning rate {suggestion:G4}", Background = OxyColors.White };
        plot.Axes.Add(new LogarithmicAxis { Position = AxisPosition.Bottom, Title = "learning rate" });
        plot.Axes.Add(
            new LinearAxis
            {
                Position = AxisPosition.Left,
                Title = "loss",
                MaximumPadding = 0.06,
            }
        );
        plot.Series.Add(Line(OxyColors.LightSteelBlue, 1, point => point.Loss));
        plot.Series.Add(Line(OxyColors.SteelBlue, 2, point => point.Smoothed));
        var mark = new ScatterSeries
        {
            MarkerType = MarkerType.Circle,
            MarkerSize = 5,
            MarkerFill = OxyColors.Firebrick,
        };
        mark.Points.Add(new ScatterPoint(suggestion, points.First(point => point.Rate == suggestion).Smoothed));
        plot.Series.Add(mark);
        return SvgExporter.ExportToString(plot, 720, 440, isDocument: true);
    }

    private LineSeries Line(OxyColor colour, double width, Func<RatePoint, double> loss)
    {
        var line = new LineSeries { Color = colour, StrokeThickness = width };
        // A loss that has run away would flatten all the rest.
        var highest = 1.5 * points[0].Loss;
        line.Points.AddRange(
            points.Where(point => loss(point) <= highest).Select(point => new DataPoint(point.Rate, loss(point)))
        );
        return line;
    }
}
