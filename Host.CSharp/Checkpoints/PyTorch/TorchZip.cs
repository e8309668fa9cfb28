namespace Hybrid.Host.Checkpoints;

/// <summary>An archive as its pickle and the bytes that the pickle's storages stand for.</summary>
/// <param name="Format">What to call it: "torch.save zip" or "torch.save legacy".</param>
/// <param name="Root">What was saved.</param>
/// <param name="Records">Bytes of each storage by key; lengths agree with what the pickle says.</param>
internal sealed record TorchContent(
    string Format,
    PickleValue Root,
    IReadOnlyDictionary<string, ReadOnlyMemory<byte>> Records
);

/// <summary>
/// torch.save's format since PyTorch 1.6: a zip with <c>NAME/data.pkl</c>, <c>NAME/version</c>, from 2.1 on
/// <c>NAME/byteorder</c>, and each storage as <c>NAME/data/KEY</c>.
/// </summary>
internal static class TorchZip
{
    private const string PickleName = "/data.pkl";

    public static TorchContent Read(ReadOnlyMemory<byte> file)
    {
        var records = ZipRecords.Open(file);
        var name = RootName(records.Keys);
        if (!records.TryGetValue($"{name}/version", out var version) || version.Span.IsEmpty)
            throw new BrokenFileException("is a zip without torch.save's version record");
        if (records.TryGetValue($"{name}/byteorder", out var order) && !order.Span.SequenceEqual("little"u8))
            throw new BrokenFileException("was written in big-endian byte order, which is not read");
        var storages = new TorchStorages(file.Length);
        var pickle = records[name + PickleName];
        var (root, end) = Pickle.Read(pickle, 0, storages.Resolve);
        if (end != pickle.Length)
            throw new BrokenFileException("its pickle is followed by other bytes");
        return new TorchContent(
            "torch.save zip",
            root,
            storages.ByKey.ToDictionary(
                pair => pair.Key,
                pair => Storage(pair.Value, $"{name}/data/{pair.Key}", records)
            )
        );
    }

    private static string RootName(IEnumerable<string> entries)
    {
        var pickles = entries
            .Where(entry => entry.EndsWith(PickleName, StringComparison.Ordinal))
            .Select(entry => entry[..^PickleName.Length])
            .Where(name => !name.Contains('/'))
            .ToList();
        return pickles is [var only]
            ? only
            : throw new BrokenFileException($"is a zip with {pickles.Count} data.pkl; torch.save writes one");
    }

    private static ReadOnlyMemory<byte> Storage(
        TorchStorage storage,
        string entry,
        Dictionary<string, ReadOnlyMemory<byte>> records
    )
    {
        if (!records.TryGetValue(entry, out var bytes))
            throw new BrokenFileException($"has no entry {Quoted.Of(entry)}, which its pickle refers to");
        var expected = storage.Record * storage.Width;
        return bytes.Length == expected
            ? bytes
            : throw new BrokenFileException(
                $"entry {Quoted.Of(entry)} has {bytes.Length} bytes where its pickle says {expected}"
            );
    }
}
