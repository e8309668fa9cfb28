namespace Hybrid.Host.Report;

/// <summary>Who is taken for whom.</summary>
public static class ConfusionPanel
{
    /// <summary>From so many classes on, cells are colours without a number.</summary>
    private const int Dense = 21;

    /// <summary>A matrix of more classes would be too large to be read.</summary>
    private const int Largest = 150;

    private const int PairsShown = 12;

    public static Section Of(SplitResult result, IReadOnlyList<string> classes) =>
        new(
            "confusion",
            "Confusion matrix",
            classes.Count > Largest
                ? $"The matrix of {classes.Count} classes would be too large to be read: these are the confusions that come most often."
                : "A row holds the images of one class, a column those that were taken for one. The darker, the larger the share of the row; right answers are blue, wrong ones red.",
            Body(result.Diagnosis, classes)
        );

    /// <summary>The matrix, where it can be read, and the most frequent confusions.</summary>
    public static Html Body(Diagnosis diagnosis, IReadOnlyList<string> classes) =>
        Html.Of(
            $"""
            <div class="beside">
            {(classes.Count > Largest ? Html.Empty : Matrix(diagnosis, classes))}
            {Pairs(diagnosis, classes)}
            </div>
            """
        );

    private static Html Matrix(Diagnosis diagnosis, IReadOnlyList<string> classes)
    {
        var counts = diagnosis.Confusions.ToDictionary(it => (it.Label, it.Guess), it => it.Count);
        var dense = classes.Count >= Dense;
        var rows = classes.Select((name, label) => Row(diagnosis, classes, counts, name, label, dense));
        return Html.Of(
            $"""
            <div class="scroll"><table class="{(dense ? "matrix dense" : "matrix")}">
            <thead><tr><th class="corner" scope="col">class ↓ taken for →</th>{classes.Select(name =>
                Html.Of($"""<th scope="col"><span>{name}</span></th>""")
            )}</tr></thead>
            <tbody>
            {rows}</tbody></table></div>
            """
        );
    }

    private static Html Row(
        Diagnosis diagnosis,
        IReadOnlyList<string> classes,
        Dictionary<(int, int), int> counts,
        string name,
        int label,
        bool dense
    )
    {
        Html Cell(int guess)
        {
            if (!counts.TryGetValue((label, guess), out var count))
                return Html.Trusted("<td>");
            var total = diagnosis.Classes[label].Count;
            var share = (double)count / total;
            // Roots, since one confusion in a hundred should still be seen.
            var level = guess == label ? share : Math.Sqrt(share);
            var kind = Shade.Of(guess == label ? Shade.Right : Shade.Wrong, level);
            var told = $"{name} → {classes[guess]}: {count} of {total}";
            return dense
                ? Html.Of($"""<td class="{kind}" title="{told}">""")
                : Html.Of($"""<td class="{kind}" title="{told}">{count}""");
        }

        return Html.Of(
            $"""
            <tr><th scope="row">{name}</th>{Enumerable.Range(0, classes.Count).Select(Cell)}</tr>

            """
        );
    }

    private static Html Pairs(Diagnosis diagnosis, IReadOnlyList<string> classes)
    {
        var pairs = diagnosis
            .Confusions.Where(it => it.Label != it.Guess)
            .OrderByDescending(it => it.Count)
            .Take(PairsShown)
            .ToList();
        if (pairs.Count == 0)
            return Html.Of($"<p>There was no confusion: every answer was right.</p>");
        var rows = pairs.Select(it =>
            Html.Of(
                $"""
                <tr><th scope="row">{classes[it.Label]}</th><td class="text">{classes[it.Guess]}</td><td>{Figures.Count(
                    it.Count
                )}</td><td>{Figures.Percent((double)it.Count / diagnosis.Classes[it.Label].Count)}</td></tr>

                """
            )
        );
        return Html.Of(
            $"""
            <div class="scroll"><table class="numbers">
            <caption>Most frequent confusions</caption>
            <thead><tr><th scope="col">Class</th><th scope="col" class="text">Taken for</th><th scope="col">Images</th><th scope="col">Of the class</th></tr></thead>
            <tbody>
            {rows}</tbody></table></div>
            """
        );
    }
}
