using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Hybrid.Command;
using YamlDotNet.Serialization;

namespace Hybrid.Host.Checkpoints;

/// <summary><c>hparams.yaml</c>: what decides a run, as Lightning's logger writes it.</summary>
internal static class HyperParameterFile
{
    /// <param name="hyperParameters">Of the network, its training and what it was started with.</param>
    /// <param name="data">The data's full name.</param>
    public static void Write(string path, JsonObject hyperParameters, string data, DataRequest request)
    {
        var all = (JsonObject)hyperParameters.DeepClone();
        all["data"] = data;
        all["split_seed"] = request.SplitSeed;
        if (request.ValSize is { } valSize)
            all["val_size"] = valSize;
        foreach (
            var (key, limit) in new[]
            {
                ("limit_train", request.LimitTrain),
                ("limit_val", request.LimitVal),
                ("limit_test", request.LimitTest),
            }
        )
            if (limit >= 0)
                all[key] = limit;
        var yaml = new SerializerBuilder().Build().Serialize(Plain(all)!);
        File.WriteAllText(path, yaml.ReplaceLineEndings("\n"));
    }

    /// <summary>JSON as the lists, maps and values that the YAML library knows.</summary>
    private static object? Plain(JsonNode? node) =>
        node switch
        {
            JsonObject fields => fields.ToDictionary(field => field.Key, field => Plain(field.Value)),
            JsonArray items => items.Select(Plain).ToList(),
            JsonValue value => value.GetValueKind() switch
            {
                JsonValueKind.String => value.GetValue<string>(),
                JsonValueKind.True => true,
                JsonValueKind.False => false,
                _ => Number(value.ToJsonString()),
            },
            _ => null,
        };

    private static object Number(string json) =>
        long.TryParse(json, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var whole)
            ? whole
            : double.Parse(json, CultureInfo.InvariantCulture);
}
