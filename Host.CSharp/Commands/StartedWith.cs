using System.Text.Json.Nodes;
using Hybrid.Command;
using TorchSharp;

namespace Hybrid.Host.Commands;

/// <summary>What decides a run's result besides its network and its recipe: written down with these in <c>hparams.yaml</c>,
/// in the report and in every checkpoint; and the options that repeat the run, in <c>run.yaml</c>.</summary>
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

    /// <summary>The options that give the same run from any folder: as they were given or found, with full paths, and where
    /// it was computed, since sums on another device or with other threads are rounded otherwise.</summary>
    /// <param name="data">The data's full name.</param>
    public static IEnumerable<GivenOption> Settings(TrainRequest request, string data, Placement placement)
    {
        var given = request.Settings.Where(setting => setting.Name != "data");
        yield return new GivenOption("data", data);
        foreach (var setting in given)
            yield return setting.Name == "init" ? new GivenOption("init", Path.GetFullPath(setting.Text)) : setting;
        yield return new GivenOption("device", placement.Device.type == DeviceType.MPS ? "mps" : $"{placement.Device}");
        yield return new GivenOption("threads", $"{torch.get_num_threads()}");
    }
}
