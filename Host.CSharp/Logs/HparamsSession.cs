using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Tensorboard;
using ProtoValue = Google.Protobuf.WellKnownTypes.Value;

namespace Hybrid.Host.Logs;

/// <summary>
/// A run as a row of TensorBoard's hyperparameters tab: summaries whose metadata hold the messages of the tab's own
/// format (<c>plugin_data.proto</c> and <c>api.proto</c> of TensorBoard's <c>hparams</c>).
/// </summary>
public static class HparamsSession
{
    private const int Success = 1;
    private const int Failure = 2;

    /// <summary>Says which columns there are: every hyperparameter and every metric.</summary>
    /// <param name="metrics">Tags of curves.</param>
    public static Tensorboard.Summary.Types.Value Experiment(JsonObject hyperParameters, IEnumerable<string> metrics)
    {
        var experiment = new WireMessage().Add(3, EventFile.Now);
        foreach (var (name, value) in Flat(hyperParameters))
            experiment.Add(4, new WireMessage().Add(1, name).Add(4, DataTypeOf(value)));
        foreach (var tag in metrics)
        {
            var dataset = tag.StartsWith("train_", StringComparison.Ordinal) ? 1 : 2;
            experiment.Add(5, new WireMessage().Add(1, new WireMessage().Add(2, tag)).Add(5, dataset));
        }
        return Tagged("experiment", 2, experiment);
    }

    /// <summary>Says what the run was started with.</summary>
    public static Tensorboard.Summary.Types.Value Start(JsonObject hyperParameters)
    {
        var start = new WireMessage();
        foreach (var (name, value) in Flat(hyperParameters))
            start.Add(1, new WireMessage().Add(1, name).Add(2, value));
        return Tagged("session_start_info", 3, start.Add(5, EventFile.Now));
    }

    /// <summary>Says that the run is over and whether it went well.</summary>
    public static Tensorboard.Summary.Types.Value End(bool wentWell) =>
        Tagged("session_end_info", 4, new WireMessage().Add(1, wentWell ? Success : Failure).Add(2, EventFile.Now));

    private static Tensorboard.Summary.Types.Value Tagged(string name, int field, WireMessage message) =>
        new()
        {
            Tag = $"_hparams_/{name}",
            Metadata = new SummaryMetadata
            {
                PluginData = new SummaryMetadata.Types.PluginData
                {
                    PluginName = "hparams",
                    Content = new WireMessage().Add(field, message).ToByteString(),
                },
                DataClass = DataClass.Tensor,
            },
            // All is in the metadata: the value is the smallest tensor that there is, one of no numbers.
            Tensor = new TensorProto
            {
                Dtype = DataType.DtFloat,
                TensorShape = new TensorShapeProto { Dim = { new TensorShapeProto.Types.Dim() } },
            },
        };

    /// <summary>Nested fields under their path, as Lightning names them: <c>optimizer_hparams/lr</c>.</summary>
    private static IEnumerable<(string Name, ProtoValue Value)> Flat(JsonObject fields, string prefix = "") =>
        fields.SelectMany(field =>
            field.Value is JsonObject inner
                ? Flat(inner, $"{prefix}{field.Key}/")
                : [($"{prefix}{field.Key}", ToValue(field.Value))]
        );

    /// <summary>The tab knows texts, numbers and truth values: a list is shown as its text.</summary>
    private static ProtoValue ToValue(JsonNode? node) =>
        node?.GetValueKind() switch
        {
            JsonValueKind.True => ProtoValue.ForBool(true),
            JsonValueKind.False => ProtoValue.ForBool(false),
            JsonValueKind.Number => ProtoValue.ForNumber(
                double.Parse(node.ToJsonString(), CultureInfo.InvariantCulture)
            ),
            JsonValueKind.String => ProtoValue.ForString(node.GetValue<string>()),
            _ => ProtoValue.ForString(node?.ToJsonString() ?? ""),
        };

    private static int DataTypeOf(ProtoValue value) =>
        value.KindCase switch
        {
            ProtoValue.KindOneofCase.BoolValue => 2,
            ProtoValue.KindOneofCase.NumberValue => 3,
            _ => 1,
        };
}
