using System.Text.Json;
using System.Text.Json.Nodes;
using Hybrid.Command;
using Hybrid.Host.Runtime;

namespace Hybrid.Host.Checkpoints;

/// <summary>
/// A network with weights, and what its file says of the data it was trained on. What a file of another program does
/// not say is null.
/// </summary>
/// <param name="Model">The network, rebuilt from the stored name and hyperparameters.</param>
/// <param name="Input">Shape of one image.</param>
/// <param name="Classes">Names of the classes, in the order of the outputs.</param>
/// <param name="Normalisation">What the pixels were normalised by.</param>
/// <param name="Data">The data's name as on the command line.</param>
public sealed record TrainedModel(
    string File,
    Model Model,
    Shape Input,
    IReadOnlyList<StoredTensor> Tensors,
    JsonObject HyperParameters,
    IReadOnlyList<string>? Classes,
    Normalisation? Normalisation,
    string? Data
)
{
    private const string FormatKey = "format";
    private const string InputKey = "input";
    private const string ClassesKey = "classes";
    private const string NormalisationKey = "normalisation";
    private const string DataKey = "data";

    /// <summary>Reads any checkpoint, finds out which network it is of, and compares the weights with it before any
    /// memory is taken for them.</summary>
    /// <param name="request">Names the network, or hyperparameters, that the file does not name, and the weights where
    /// the file holds several.</param>
    /// <param name="remark">Is told what was decided on the way, a line each.</param>
    /// <exception cref="RequestException">No such file, or it does not say which network it is of.</exception>
    /// <exception cref="WorkException">The file is broken or hostile, or its weights are not those of the network.
    /// </exception>
    public static TrainedModel Read(string path, ModelRequest request, Action<string>? remark = null)
    {
        var file = CheckpointFile.Read(path);
        var stored = file.HyperParameters ?? [];
        var model = Models.Restore(stored, request);
        string? Text(string key) => file.Metadata[key] is JsonValue value ? value.ToString() : null;
        var input = ParseInput(Text(InputKey));
        return new TrainedModel(
            path,
            model,
            input,
            Weights(file, path, Models.StateTensors(Models.Plan(model, input)), request.Weights, remark),
            stored,
            Parse<string[]>(path, ClassesKey, Text(ClassesKey)),
            Parse<NormalisationText>(path, NormalisationKey, Text(NormalisationKey))?.Checked(path),
            Text(DataKey)
        );
    }

    /// <summary>A network's weights, under its own names and compared with it.</summary>
    private static IReadOnlyList<StoredTensor> Weights(
        Checkpoint file,
        string path,
        IReadOnlyList<TensorSpec> specs,
        string wanted,
        Action<string>? remark
    )
    {
        var fitted = WeightFit.Of(file, path, specs, wanted);
        ModuleTensors.Compare(specs, fitted.Tensors, path);
        foreach (var line in fitted.Remarks)
            remark?.Invoke(line);
        return fitted.Tensors;
    }

    /// <summary>Tells an optimiser's tensors, their prefix taken away, from the network's.</summary>
    public static (IReadOnlyList<StoredTensor> Moments, IReadOnlyList<StoredTensor> Weights) Divide(
        IReadOnlyList<StoredTensor> tensors
    )
    {
        var all = tensors.ToLookup(tensor =>
            tensor.Name.StartsWith(RunState.OptimizerPrefix, StringComparison.Ordinal)
        );
        return (
            [.. all[true].Select(tensor => tensor with { Name = tensor.Name[RunState.OptimizerPrefix.Length..] })],
            [.. all[false]]
        );
    }

    /// <summary>Builds the network with these weights.</summary>
    /// <exception cref="WorkException">The tensors are not those of the network.</exception>
    public TorchModule Build(Placement placement)
    {
        var plan = Models.Plan(Model, Input);
        var network = Models.Build(Model, plan, placement, 0);
        try
        {
            ModuleTensors.Write(network, Tensors, File);
            network.eval();
            return network;
        }
        catch
        {
            network.Dispose();
            throw;
        }
    }

    /// <summary>Writes a safetensors file that <see cref="Read"/> needs nothing else for.</summary>
    public static void Write(
        string path,
        IReadOnlyList<StoredTensor> tensors,
        JsonObject hyperParameters,
        TrainedOn trainedOn,
        IEnumerable<KeyValuePair<string, string>> facts
    )
    {
        var metadata = Metadata(hyperParameters, trainedOn.Input);
        metadata[ClassesKey] = JsonSerializer.Serialize(trainedOn.Classes);
        metadata[NormalisationKey] = Text(trainedOn.Normalisation);
        metadata[DataKey] = trainedOn.Data;
        foreach (var (key, value) in facts)
            metadata[key] = value;
        Safetensors.Write(path, tensors, metadata);
    }

    /// <summary>What rebuilds the network, and what else the file said.</summary>
    public JsonObject Described
    {
        get
        {
            var described = (JsonObject)HyperParameters.DeepClone();
            foreach (var (key, value) in Models.Describe(Model).ToList())
                described[key] = value?.DeepClone();
            return described;
        }
    }

    /// <summary>Writes the same network as a safetensors file; what its own file did not say stays unsaid.</summary>
    public void Write(string path)
    {
        var metadata = Metadata(Described, Input);
        if (Classes is not null)
            metadata[ClassesKey] = JsonSerializer.Serialize(Classes);
        if (Normalisation is not null)
            metadata[NormalisationKey] = Text(Normalisation);
        if (Data is not null)
            metadata[DataKey] = Data;
        Safetensors.Write(path, Tensors, metadata);
    }

    private static SortedDictionary<string, string> Metadata(JsonObject hyperParameters, Shape input) =>
        new(StringComparer.Ordinal)
        {
            // What other readers of the format take as a sign of PyTorch's names and layout.
            [FormatKey] = "pt",
            [CheckpointFile.HyperParametersKey] = hyperParameters.ToJsonString(),
            [InputKey] = $"{input}".Replace('×', 'x'),
        };

    private static string Text(Normalisation normalisation) =>
        JsonSerializer.Serialize(new NormalisationText(normalisation.Mean, normalisation.Std));

    private static Shape ParseInput(string? text)
    {
        var sides = (text ?? "3x32x32").Split('x').Select(side => int.TryParse(side, out var n) ? n : 0).ToArray();
        return sides is [> 0, > 0, > 0]
            ? Shape.NewImage(sides[0], sides[1], sides[2])
            : throw new WorkException($"the checkpoint's input is '{text}', expected a shape such as 3x32x32");
    }

    private static T? Parse<T>(string path, string key, string? json)
        where T : class
    {
        try
        {
            return json is null ? null : JsonSerializer.Deserialize<T>(json);
        }
        catch (JsonException)
        {
            throw new WorkException($"'{path}': its metadata {key} is not what Hybrid writes there");
        }
    }

    private sealed record NormalisationText(double[] Mean, double[] Std)
    {
        public Normalisation Checked(string path) =>
            Mean is { Length: > 0 } && Std is not null && Std.Length == Mean.Length && Std.All(std => std > 0)
                ? new Normalisation(Mean, Std)
                : throw new WorkException($"'{path}': its normalisation needs a mean and a positive std a channel");
    }
}

/// <summary>What a checkpoint says of the data that its network was trained on.</summary>
public sealed record TrainedOn(Shape Input, IReadOnlyList<string> Classes, Normalisation Normalisation, string Data);
