namespace Hybrid.Host.Report;

/// <summary>The network's diagram.</summary>
public static class NetworkPanel
{
    public static Section Of(ReportedRun run) =>
        new(
            "network",
            "Network",
            "Blocks that repeat are drawn once. Beside the arrows: channels × height × width. Point at a layer for its path, its shapes and its parameters.",
            Body(run)
        );

    public static Html Body(ReportedRun run) =>
        Html.Of(
            $"""<div class="scroll network">{Html.Trusted(Models.Diagram(run.Plan).Replace(Namespace, "", StringComparison.Ordinal))}</div>"""
        );

    /// <summary>In a page an SVG needs none.</summary>
    private const string Namespace = " xmlns=\"http://www.w3.org/2000/svg\"";
}
