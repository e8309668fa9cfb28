using System.Collections.Frozen;

namespace Hybrid.Host.Checkpoints;

/// <summary>
/// The storages that one archive's pickle refers to by persistent id,
/// <c>('storage', type, key, location, count)</c>, in the old format with a sixth field: None or
/// <c>(view key, start, count)</c>.
/// </summary>
/// <param name="fileLength">Bytes of the file, which no storage can exceed.</param>
internal sealed class TorchStorages(long fileLength)
{
    private static readonly FrozenDictionary<string, DType> Types = new Dictionary<string, DType>
    {
        ["torch.DoubleStorage"] = DType.Float64,
        ["torch.FloatStorage"] = DType.Float32,
        ["torch.HalfStorage"] = DType.Float16,
        ["torch.BFloat16Storage"] = DType.BFloat16,
        ["torch.LongStorage"] = DType.Int64,
        ["torch.IntStorage"] = DType.Int32,
        ["torch.ShortStorage"] = DType.Int16,
        ["torch.CharStorage"] = DType.Int8,
        ["torch.ByteStorage"] = DType.UInt8,
        ["torch.BoolStorage"] = DType.Bool,
    }.ToFrozenDictionary();

    /// <summary>Types whose elements are not read, by the bytes of each.</summary>
    private static readonly FrozenDictionary<string, int> Others = new Dictionary<string, int>
    {
        ["torch.ComplexDoubleStorage"] = 16,
        ["torch.ComplexFloatStorage"] = 8,
        ["torch.QInt32Storage"] = 4,
        ["torch.QInt8Storage"] = 1,
        ["torch.QUInt8Storage"] = 1,
        ["torch.UntypedStorage"] = 1,
        ["torch.storage.UntypedStorage"] = 1,
    }.ToFrozenDictionary();

    private readonly Dictionary<string, TorchStorage> byKey = [];

    /// <summary>The records referred to, one for each key; their Start is 0.</summary>
    public IReadOnlyDictionary<string, TorchStorage> ByKey => byKey;

    /// <summary>What a persistent id stands for.</summary>
    /// <exception cref="BrokenFileException">It is not such a tuple, its type is unknown, its size is more than the
    /// file, or it contradicts an earlier one of the same key.</exception>
    public PickleValue Resolve(PickleValue id)
    {
        // Early versions wrote a module's source beside the module.
        if (id is PickleTuple { Items: [PickleString { Value: "module" }, PickleGlobal module, _, _] })
            return module;
        if (
            id
            is not PickleTuple
            {
                Items: [
                    PickleString { Value: "storage" },
                    PickleGlobal type,
                    PickleString { Value.Length: <= 256 } key,
                    PickleString,
                    var count,
                    .. { Length: <= 1 } view,
                ]
            }
        )
            throw new BrokenFileException("its pickle has a persistent id that describes no storage");
        DType? dtype = Types.TryGetValue(type.FullName, out var known) ? known : null;
        var width = dtype?.Size() ?? Others.GetValueOrDefault(type.FullName);
        if (width == 0)
            throw new BrokenFileException($"has a storage of the unknown type {Quoted.Of(type.FullName)}");
        var elements = TorchTensor.Natural(count);
        if (elements > fileLength / width)
            throw new BrokenFileException(
                $"storage {Quoted.Of(key.Value)} claims {elements} elements, more than the file holds"
            );
        if (!byKey.TryGetValue(key.Value, out var whole))
            byKey[key.Value] = whole = new TorchStorage(key.Value, type.ShortName, dtype, width, elements, 0, elements);
        if (whole.DType != dtype || whole.Type != type.ShortName || whole.Record != elements)
            throw new BrokenFileException($"storage {Quoted.Of(key.Value)} is described in two ways");
        return view is [var described] and not [PickleNone] ? View(whole, described) : whole;
    }

    private static TorchStorage View(TorchStorage whole, PickleValue view)
    {
        if (view is not PickleTuple { Items: [PickleString, var start, var count] })
            throw new BrokenFileException($"storage {Quoted.Of(whole.Key)} has a malformed view");
        var (first, elements) = (TorchTensor.Natural(start), TorchTensor.Natural(count));
        if (first > whole.Record || elements > whole.Record - first)
            throw new BrokenFileException($"storage {Quoted.Of(whole.Key)} has a view that reaches beyond it");
        return new TorchStorage(whole.Key, whole.Type, whole.DType, whole.Width, whole.Record, first, elements);
    }
}
