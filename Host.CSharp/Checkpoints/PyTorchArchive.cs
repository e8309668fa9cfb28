using System.Text.Json.Nodes;

namespace Hybrid.Host.Checkpoints;

/// <summary>
/// Reads what torch.save and PyTorch Lightning write, in both of torch.save's formats, without running anything
/// that the file says. Every size, stride and offset is checked before it is used; what is not known is refused by
/// name.
/// </summary>
public static class PyTorchArchive
{
    private static readonly string[] StateKeys = ["state_dict", "model_state_dict", "model"];
    private static readonly string[] HyperParameterKeys = ["hyper_parameters", "hparams"];

    /// <summary>
    /// Reads the state dict of a file: the file's own where it is a bare one, else the one under <c>state_dict</c>,
    /// <c>model_state_dict</c> or <c>model</c>. Where all keys under <c>state_dict</c> begin with Lightning's
    /// <c>model.</c>, that prefix is taken off.
    /// </summary>
    /// <exception cref="Runtime.RequestException">No such file, a folder, or an empty file.</exception>
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
        if (content.Root is not PickleDict root)
            throw new BrokenFileException($"holds {content.Root.Kind}, not a state dict or a checkpoint");
        var (state, key) = State(root);
        return new Checkpoint(
            content.Format,
            Tensors(state, key == "state_dict" ? "model." : "", content, file.Length),
            key is null ? null : HyperParameters(root),
            key is null ? [] : Scalars(root)
        );
    }

    private static (PickleDict State, string? Key) State(PickleDict root)
    {
        foreach (var key in StateKeys)
            if (root[key] is PickleDict state)
                return (state, key);
        if (root.Pairs.Any(pair => pair.Value is TorchTensor))
            return (root, null);
        throw new BrokenFileException($"holds no state dict, neither bare nor as {string.Join(", ", StateKeys)}");
    }

    private static List<StoredTensor> Tensors(PickleDict state, string prefix, TorchContent content, long fileLength)
    {
        var entries = state
            .Pairs.Select(pair =>
                (pair.Key, pair.Value) switch
                {
                    (PickleString { Value: var name }, TorchTensor tensor) => (Name: name, Tensor: tensor),
                    (PickleString { Value: var name }, var other) => throw new BrokenFileException(
                        $"state dict entry {Quoted.Of(name)} is {other.Kind}, not a tensor"
                    ),
                    var (name, _) => throw new BrokenFileException($"its state dict has {name.Kind} as a key"),
                }
            )
            .ToList();
        var skip = entries.All(entry => entry.Name.StartsWith(prefix, StringComparison.Ordinal)) ? prefix.Length : 0;
        var allowance = new TensorAllowance(fileLength);
        var tensors = new List<StoredTensor>(entries.Count);
        foreach (var (name, tensor) in entries)
            tensors.Add(tensor.Contiguous(name[skip..], content.Records[tensor.Storage.Key], allowance));
        return tensors;
    }

    private static JsonObject? HyperParameters(PickleDict root)
    {
        foreach (var key in HyperParameterKeys)
            if (root[key] is PickleDict found)
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
