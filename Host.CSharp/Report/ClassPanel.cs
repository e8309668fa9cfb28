namespace Hybrid.Host.Report;

/// <summary>How well each class is found.</summary>
public static class ClassPanel
{
    /// <summary>More classes than these are shown in several tables side by side, the worst first.</summary>
    private const int Few = 24;

    public static Section Of(SplitResult result, IReadOnlyList<string> classes) =>
        new(
            "classes",
            "Accuracy by class",
            "Accuracy: the share of the class's images that were found (recall). Precision: the share of the answers naming the class that were right."
                + (classes.Count > Few ? " The class that is found least comes first." : ""),
            Html.Of($"""<div class="tables">{Tables(result.Diagnosis, classes)}</div>""")
        );

    /// <summary>Several networks beside one another.</summary>
    public static Section Of(IReadOnlyList<ReportedRun> runs, string split) =>
        new(
            "classes",
            $"Accuracy by class on {split}",
            "The share of the class's images that were found; the best of each class is marked.",
            Html.Of(
                $"""
                <div class="scroll"><table class="numbers">
                <thead><tr><th scope="col">Class</th>{runs.Select(run =>
                    Html.Of($"""<th scope="col">{run.Model}</th>""")
                )}</tr></thead>
                <tbody>
                {runs[0].Classes.Select((name, place) => Row(runs, name, place))}</tbody></table></div>
                """
            )
        );

    private static Html Row(IReadOnlyList<ReportedRun> runs, string name, int place)
    {
        double[] recalls = [.. runs.Select(run => run.Shown!.Diagnosis.Classes[place].Recall)];
        var best = recalls.Max();
        var cells = recalls.Select(recall =>
            recall == best && recall > 0
                ? Html.Of($"""<td class="best">{Figures.Share(recall)}</td>""")
                : Html.Of($"<td>{Figures.Share(recall)}</td>")
        );
        return Html.Of(
            $"""
            <tr><th scope="row">{name}</th>{cells}</tr>

            """
        );
    }

    private static IEnumerable<Html> Tables(Diagnosis diagnosis, IReadOnlyList<string> classes)
    {
        var rows = diagnosis.Classes.Select((result, place) => (Name: classes[place], Result: result));
        if (classes.Count > Few)
            rows = rows.OrderBy(row => double.IsNaN(row.Result.Recall) ? 2 : row.Result.Recall);
        var tables = classes.Count > Few ? 3 : 1;
        return rows.Chunk((classes.Count + tables - 1) / tables).Select(Table);
    }

    private static Html Table((string Name, ClassResult Result)[] rows) =>
        Html.Of(
            $"""
            <div class="scroll"><table class="numbers bars">
            <thead><tr><th scope="col">Class</th><th scope="col">Accuracy</th><th scope="col">Precision</th><th scope="col">Images</th></tr></thead>
            <tbody>
            {rows.Select(Row)}</tbody></table></div>

            """
        );

    private static Html Row((string Name, ClassResult Result) row)
    {
        var share = double.IsFinite(row.Result.Recall) ? row.Result.Recall : 0;
        return Html.Of(
            $"""
            <tr><th scope="row">{row.Name}</th><td class="bar" style="--share:{share:F3}">{Figures.Share(
                row.Result.Recall
            )}</td><td>{Figures.Share(row.Result.Precision)}</td><td>{Figures.Count(row.Result.Count)}</td></tr>

            """
        );
    }
}
