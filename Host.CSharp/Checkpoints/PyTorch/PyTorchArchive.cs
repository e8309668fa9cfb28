using System.Text.Json.Nodes;

namespace Hybrid.Host.Checkpoints;

/// <summary>
/// Reads what torch.save and PyTorch Lightning write, in both of torch.save's formats, without running anything
/// that the file says. Every size, stride and offset is checked before it is used; what is not known and not needed
/// stays an inert placeholder.
/// </summary>
public static class PyTorchArchive
{
    private static readonly string[] HyperParameterKeys = ["hyper_parameters", "hparams"];

    /// <summary>
    /// Reads the state dicts of a file: the one under <c>state_dict</c>, <c>model_state_dict</c> or <c>model</c> first,
    /// else the file's own where it is a bare one. Where all keys under <c>state_dict</c> begin with Lightning's
    /// <c>model.</c>, that prefix is taken off.
    /// </summary>
    /// <exception cref="RequestException">No such file, a folder, or an empty file.</exception>
    /// <exception cref="Runtime.WorkException">The file is no such archive, truncated, corrupted, or asks for
    /// something that is refused; the message says what, in one line.</exception>
    public static Checkpoint Read(string path) => FileBytes.Parse(path, Parse);

    internal static bool Recognises(ReadOnlySpan<byte> file) =>
        ZipRecords.Recognises(file) || TorchLegacy.Recognises(file) || TorchLegacy.IsTar(file);

    internal static Checkpoint Parse(ReadOnlyMemory<byte> file)
    {
        if (TorchLegacy.IsTar(file.Span))
            throw new BrokenFileException("is in the tar format of PyTorch before 0.1.10, which is not read");
        if (!Recognises(file.Span))
            throw new BrokenFileException("is not an archive of torch.save");
        var content = ZipRecords.Recognises(file.Span) ? TorchZip.Read(file) : TorchLegacy.Read(file);
        var root = PickleJson.Dictionary(content.Root) ?? throw new BrokenFileException(WithoutNames(content.Root));
        var sets = StateDicts.Of(root, content, file.Length);
        if (sets.Count == 0)
            throw new BrokenFileException(WithoutWeights(root));
        // Whoever reads the file reads these; what is wrong with them is told now.
        _ = sets[0].Tensors;
        var bare = sets[0].Key.Length == 0;
        return new Checkpoint(content.Format, sets, HyperParameters(root), bare ? [] : Scalars(root));
    }

    private static string WithoutNames(PickleValue root) =>
        root switch
        {
            PickleList { Items: var items } => $"holds a list of {items.Count} values without names",
            PickleTuple { Items: var items } => $"holds a tuple of {items.Length} values without names",
            PickleObject whole => WholeModel("is", whole),
            var other => $"holds {other.Kind}, not a state dict or a checkpoint",
        } + (root is PickleObject ? "" : $": {HowToSave}");

    private static string WithoutWeights(PickleDict root) =>
        root.Pairs.FirstOrDefault(pair => pair is { Key: PickleString, Value: PickleObject { State: PickleDict } })
            is { Value: PickleObject whole, Key: PickleString key }
            ? WholeModel($"holds no state dict: its {Quoted.Of(key.Value)} is", whole)
            : $"holds no state dict, neither bare nor under a key such as state_dict, model_state_dict, model: {HowToSave}";

    private const string HowToSave = "save the weights with torch.save(model.state_dict(), 'weights.pt')";

    private static string WholeModel(string what, PickleObject whole) =>
        $"{what} a whole model or another object, of the class {Quoted.Of(whole.Type)}, which only its own program can "
        + $"load: {HowToSave}";

    private static JsonObject? HyperParameters(PickleDict root)
    {
        // Hybrid's own, which hang on the state dict so that it stays a bare one.
        if (root.Attributes?[CheckpointFile.HyperParametersKey] is PickleString { Value: var json })
            return CheckpointFile.HyperParameters(json);
        foreach (var key in HyperParameterKeys)
            if (PickleJson.Dictionary(root[key]) is { } found)
                return (JsonObject?)PickleJson.Of(found);
        return null;
    }

    // Epoch, step, versions; optimisers, callbacks and schedules are checked by the pickle reader and then left.
    private static JsonObject Scalars(PickleDict root)
    {
        var scalars = new PickleDict();
        foreach (var (key, value) in root.Pairs)
            if (key is PickleString && PickleJson.IsScalar(value))
                scalars.Set(key, value);
        return (JsonObject)PickleJson.Of(scalars)!;
    }
}
