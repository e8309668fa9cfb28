namespace Hybrid.Host.Report;

/// <summary>The wrong answers that were given with the most confidence.</summary>
public static class MistakePanel
{
    public static Section Of(SplitResult result, IReadOnlyList<string> classes) =>
        new(
            "mistakes",
            "Most confident mistakes",
            "What the network was surest of and wrong about: often a wrong label, an odd picture, or two classes that look alike.",
            Body(result, classes)
        );

    public static Html Body(SplitResult result, IReadOnlyList<string> classes) =>
        result.Pictures.Count == 0
            ? Html.Of($"<p>There was none: every answer was right.</p>")
            : Html.Of(
                $"""<ul class="mistakes">{result.Diagnosis.Mistakes.Zip(result.Pictures, (it, uri) => One(it, uri, classes))}</ul>"""
            );

    private static Html One(Mistake mistake, string uri, IReadOnlyList<string> classes)
    {
        var (label, guess) = (classes[mistake.Label], classes[mistake.Guess]);
        return Html.Of(
            $"""
            <li title="image {mistake.Image} of the split, counted from 0"><img src="{uri}" alt="{label} taken for {guess}"><p><b>{guess}</b><br><span class="truth">{mistake.Confidence
                * 100:F1}% sure, is {label}</span></p></li>

            """
        );
    }
}
