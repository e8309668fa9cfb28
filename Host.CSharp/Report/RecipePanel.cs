using System.Text.Json;
using System.Text.Json.Nodes;

namespace Hybrid.Host.Report;

/// <summary>What the run was made with: whatever its stored recipe says, in the words of <c>hparams.yaml</c>.</summary>
public static class RecipePanel
{
    public static Section Of(ReportedRun run) =>
        new(
            "recipe",
            "Recipe",
            "",
            Html.Of(
                $"""<dl class="recipe">{Entry("data", run.Data)}{run.Recipe.Where(field => field.Key != "data").Select(field => Entry(field.Key, Text(field.Value)))}</dl>"""
            )
        );

    private static Html Entry(string name, string value) =>
        Html.Of(
            $"""
            <div><dt>{name.Replace('_', ' ')}</dt><dd>{value}</dd></div>

            """
        );

    private static string Text(JsonNode? value) =>
        value switch
        {
            null => Figures.None,
            JsonArray { Count: 0 } => "none",
            JsonArray items => string.Join(", ", items.Select(Text)),
            JsonObject fields => Fields(fields),
            JsonValue it when it.GetValueKind() == JsonValueKind.True => "yes",
            JsonValue it when it.GetValueKind() == JsonValueKind.False => "no",
            _ => value.ToString(),
        };

    /// <summary>A field called name comes first and stands alone.</summary>
    private static string Fields(JsonObject fields)
    {
        var rest = fields
            .Where(field => field.Key != "name")
            .Select(field => $"{field.Key.Replace('_', ' ')} {Text(field.Value)}");
        var listed = string.Join(" · ", rest);
        return fields["name"] is { } name
            ? $"{name}".Replace('_', ' ') + (listed.Length > 0 ? $" ({listed})" : "")
            : listed;
    }
}
