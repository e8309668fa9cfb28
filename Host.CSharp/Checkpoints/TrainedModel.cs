using System.Globalization;
using System.Text.Json.Nodes;
using Hybrid.Command;
using Hybrid.Host.Data;
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
/// <param name="Set">What that data was in training.</param>
/// <param name="Place">The place in its training that it is of: epoch and step, as far as they are said.</param>
public sealed record TrainedModel(
    string File,
    Model Model,
    Shape Input,
    IReadOnlyList<StoredTensor> Tensors,
    JsonObject HyperParameters,
    IReadOnlyList<string>? Classes,
    Normalisation? Normalisation,
    string? Data,
    DataFacts? Set,
    IReadOnlyList<KeyValuePair<string, long>> Place
)
{
    private const string FormatKey = "format";

    /// <summary>As PyTorch Lightning calls them too.</summary>
    private static readonly string[] PlaceKeys = ["epoch", "global_step"];

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
        var model = RestoreModel(file, path, request);
        var facts = StoredFacts.Read(file, path, model);
        var specs = Models.StateTensors(Models.Plan(model, facts.Input));
        stored.Remove(StoredFacts.Key);
        return new TrainedModel(
            path,
            model,
            facts.Input,
            Weights(file, path, specs, request.Weights, remark),
            stored,
            facts.Classes,
            facts.Normalisation,
            facts.Data,
            facts.Set,
            PlaceOf(file)
        );
    }

    private static IReadOnlyList<KeyValuePair<string, long>> PlaceOf(Checkpoint file) =>
        [
            .. PlaceKeys
                .Select(key => (key, text: (file.Metadata[key] as JsonValue)?.ToString()))
                .Where(it => long.TryParse(it.text, NumberStyles.None, CultureInfo.InvariantCulture, out _))
                .Select(it => KeyValuePair.Create(it.key, long.Parse(it.text!, CultureInfo.InvariantCulture))),
        ];

    /// <summary>The network that a file holds, or that its name and hyperparameters describe.</summary>
    /// <exception cref="RequestException">It does not say which network it is of.</exception>
    public static Model RestoreModel(Checkpoint file, string path, ModelRequest request) =>
        Models.Restore(file.HyperParameters ?? [], StoredFacts.Network(file, path), request);

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
        foreach (var line in fitted.Remarks(path))
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

    /// <summary>Writes a safetensors file that <see cref="Read"/> needs nothing else for, into a folder that is there.
    /// </summary>
    public static void Write(
        string path,
        IReadOnlyList<StoredTensor> tensors,
        JsonObject hyperParameters,
        TrainedOn trainedOn,
        IEnumerable<KeyValuePair<string, string>> facts
    )
    {
        var (network, input, classes, normalisation, data, set) = trainedOn;
        var stated = new StoredFacts(input, classes, normalisation, data, set);
        Safetensors.Write(
            path,
            tensors,
            Metadata(hyperParameters, [.. stated.ToMetadata(), StoredFacts.OfNetwork(network), .. facts]),
            makeFolder: false
        );
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

    /// <summary>The same, and with it what is known of the data: all that <see cref="Read"/> needs beside the weights.
    /// </summary>
    public JsonObject DescribedWithData
    {
        get
        {
            var described = Described;
            var facts = Facts.ToJson();
            facts[StoredFacts.NetworkKey] = Models.Network(Model);
            described[StoredFacts.Key] = facts;
            return described;
        }
    }

    private StoredFacts Facts => new(Input, Classes, Normalisation, Data, Set);

    /// <summary>Writes the same network as a safetensors file; what its own file did not say stays unsaid.</summary>
    public void Write(string path) =>
        Safetensors.Write(
            path,
            Tensors,
            Metadata(Described, [.. Facts.ToMetadata(), StoredFacts.OfNetwork(Models.Network(Model))])
        );

    private static Dictionary<string, string> Metadata(
        JsonObject hyperParameters,
        IEnumerable<KeyValuePair<string, string>> facts
    ) =>
        new(facts)
        {
            // What other readers of the format take as a sign of PyTorch's names and layout.
            [FormatKey] = "pt",
            [CheckpointFile.HyperParametersKey] = hyperParameters.ToJsonString(),
        };
}

/// <summary>What a checkpoint says of its network, and of the data that it was trained on.</summary>
/// <param name="Network">As <see cref="Models.Network"/> writes it.</param>
public sealed record TrainedOn(
    string Network,
    Shape Input,
    IReadOnlyList<string> Classes,
    Normalisation Normalisation,
    string Data,
    DataFacts Set
);
