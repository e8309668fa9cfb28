using System.Text.Json.Nodes;
using Hybrid.Command;

namespace Hybrid.Host.Commands;

/// <summary>What decides a run's result besides its network and its recipe: written down with these in <c>hparams.yaml</c>,
/// in the report and in every checkpoint.</summary>
internal static class StartedWith
{
    /// <param name="data">The data's full name.</param>
    public static void Add(JsonObject hyperParameters, TrainRequest request, string data, Placement placement)
    {
        hyperParameters["data"] = data;
        hyperParameters["split_seed"] = request.Data.SplitSeed;
        if (request.Init.Length > 0)
            hyperParameters["init"] = request.Init;
        hyperParameters["precision"] = $"{request.Machine.Precision}".ToLowerInvariant();
        hyperParameters["tf32"] = request.Machine.Tf32;
        hyperParameters["device"] = $"{placement.Device}";
        hyperParameters["monitor"] = request.Monitor.Metric;
        hyperParameters["mode"] = request.Monitor.HigherIsBetter ? "max" : "min";
        if (request.Monitor.Patience > 0)
        {
            hyperParameters["patience"] = request.Monitor.Patience;
            hyperParameters["min_delta"] = request.Monitor.MinDelta;
        }
    }
}
