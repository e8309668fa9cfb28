using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Hybrid.Host.Checkpoints;

/// <summary>What there is to say of a trained network, for the metadata of a file that other programs read. What the
/// checkpoint did not say stays unsaid.</summary>
public static class ModelCard
{
    /// <param name="withPreprocessing">The file itself brings pictures to what the network reads.</param>
    /// <returns>By keys, in the order in which a person would ask; lists and objects as JSON.</returns>
    public static IReadOnlyList<KeyValuePair<string, string>> Of(
        TrainedModel trained,
        Plan plan,
        bool withPreprocessing
    )
    {
        var card = new List<KeyValuePair<string, string>>();
        void Add(string key, string? value)
        {
            if (value is not null)
                card.Add(new(key, value));
        }
        Add("model", trained.Model.Name);
        Add("parameters", Models.Summarise(plan).Params.ToString(CultureInfo.InvariantCulture));
        Add("input", $"{trained.Input}".Replace('×', 'x'));
        Add("preprocessing", withPreprocessing ? "inside" : null);
        Add("classes", trained.Classes is { } classes ? JsonSerializer.Serialize(classes) : null);
        Add("normalisation", trained.Normalisation is { } it ? Normalisation(it) : null);
        // Where it lies on this machine is nobody else's concern.
        Add("data", trained.Data?.Split(':')[0]);
        foreach (var (key, value) in trained.Place)
            Add(key, value.ToString(CultureInfo.InvariantCulture));
        Add(CheckpointFile.HyperParametersKey, trained.Described.ToJsonString());
        return card;
    }

    private static string Normalisation(Normalisation it) =>
        new JsonObject
        {
            ["mean"] = JsonSerializer.SerializeToNode(it.Mean),
            ["std"] = JsonSerializer.SerializeToNode(it.Std),
        }.ToJsonString();
}
