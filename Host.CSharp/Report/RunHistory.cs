using System.Globalization;

namespace Hybrid.Host.Report;

/// <summary>One epoch as <c>epochs.csv</c> tells of it; NaN where something was not measured. Counted from 1.</summary>
public sealed record EpochRow(
    int Epoch,
    long Step,
    double TrainLoss,
    double TrainAccuracy,
    double ValLoss,
    double ValAccuracy,
    double Seconds
);

/// <summary>The epochs of a run from its beginning, wherever it was taken up again.</summary>
public sealed record RunHistory(IReadOnlyList<EpochRow> Epochs)
{
    public static RunHistory Empty { get; } = new([]);

    /// <summary>What changes from step to step, as a curve over the epochs, at as many steps as can be seen.</summary>
    /// <param name="value">Of a step, counted from 0.</param>
    /// <param name="left">Steps that whole epochs would have had besides.</param>
    public IReadOnlyList<(double Epoch, double Value)> EachStep(
        int stepsPerEpoch,
        Func<long, double> value,
        long left = 0
    )
    {
        const int Most = 360;
        var steps = Math.Max(1, Epochs[^1].Step + 1 + left);
        // Whole epochs or whole parts of one, so that what changes between epochs is drawn where it does.
        var stride = Math.Max(1, (steps + Most - 1) / Most);
        if (stride > stepsPerEpoch)
            stride = (stride + stepsPerEpoch - 1) / stepsPerEpoch * stepsPerEpoch;
        else
            while (stepsPerEpoch % stride != 0)
                stride++;
        var points = new List<(double, double)>();
        for (long step = 0; step < steps; step += stride)
            points.Add(((double)step / stepsPerEpoch, value(step)));
        points.Add(((double)steps / stepsPerEpoch, value(steps - 1)));
        return points;
    }

    /// <summary>Reads a run's <c>epochs.csv</c>, whose columns are known by their names.</summary>
    public static RunHistory Read(string path)
    {
        // The run may have the file open for writing still.
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        using var reader = new StreamReader(file);
        var columns = (reader.ReadLine() ?? "").Split(',');
        var rows = new List<EpochRow>();
        while (reader.ReadLine() is { } line)
            rows.Add(Row(columns, line.Split(',')));
        return new RunHistory(rows);
    }

    private static EpochRow Row(string[] columns, string[] fields)
    {
        double Number(string column)
        {
            var place = Array.IndexOf(columns, column);
            return
                place >= 0
                && place < fields.Length
                && double.TryParse(fields[place], NumberStyles.Float, CultureInfo.InvariantCulture, out var number)
                ? number
                : double.NaN;
        }

        return new EpochRow(
            (int)Number("epoch") + 1,
            (long)Number("step"),
            Number(MetricName.TrainLoss),
            Number(MetricName.TrainAccuracy),
            Number(MetricName.ValLoss),
            Number(MetricName.ValAccuracy),
            Number("seconds")
        );
    }
}
