namespace Hybrid.Host.Checkpoints;

/// <summary>
/// Named tensors that a file keeps together: a state dict. A file may hold several, such as the weights and their
/// running average; only the one that is used is copied out of it.
/// </summary>
public sealed class WeightSet
{
    private readonly Lazy<IReadOnlyList<StoredTensor>> tensors;

    /// <param name="key">Where the file keeps it, such as <c>state_dict_ema</c>; empty where it is the whole file.
    /// </param>
    /// <param name="names">Names of the tensors, in the order of the file.</param>
    /// <param name="read">Reads them.</param>
    /// <param name="strangers">Entries that are no tensors, or of types that are not read: name and kind.</param>
    internal WeightSet(
        string key,
        IReadOnlyList<string> names,
        Func<IReadOnlyList<StoredTensor>> read,
        IReadOnlyDictionary<string, string> strangers
    )
    {
        (Key, Names, Strangers) = (key, names, strangers);
        tensors = new Lazy<IReadOnlyList<StoredTensor>>(read);
    }

    /// <summary>Where the file keeps it; empty where it is the whole file.</summary>
    public string Key { get; }

    /// <summary>Names of the tensors, in the order of the file.</summary>
    public IReadOnlyList<string> Names { get; }

    /// <summary>The tensors, in the order of the file.</summary>
    public IReadOnlyList<StoredTensor> Tensors => tensors.Value;

    /// <summary>What stands among them and is no tensor that can be read, by name: <c>a quantised tensor</c>.</summary>
    internal IReadOnlyDictionary<string, string> Strangers { get; }
}
