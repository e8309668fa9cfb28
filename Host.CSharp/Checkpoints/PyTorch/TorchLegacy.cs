using System.Buffers.Binary;
using System.Numerics;

namespace Hybrid.Host.Checkpoints;

/// <summary>
/// torch.save's format before PyTorch 1.6: five pickles one after the other (magic number, protocol 1001, system
/// information, the object, the storages' keys), then for each key its element count as int64 and its bytes.
/// </summary>
internal static class TorchLegacy
{
    private const int Protocol = 1001;

    private static readonly BigInteger Magic = BigInteger.Parse(
        "1950a86a20f9469cfc6c",
        System.Globalization.NumberStyles.HexNumber
    );

    public static bool Recognises(ReadOnlySpan<byte> file) => file is [(byte)PickleOpcode.Proto, >= 2 and <= 5, ..];

    /// <summary>The still older format was a tar, known by its mark at byte 257.</summary>
    public static bool IsTar(ReadOnlySpan<byte> file) =>
        file.Length >= 262 && file.Slice(257, 5).SequenceEqual("ustar"u8);

    /// <summary>The first pickle, which tells this format from other programs' pickles; the rest begins behind it.</summary>
    public static int CheckMagic(ReadOnlyMemory<byte> file)
    {
        var (magic, end) = Pickle.Read(file, 0);
        return magic is PickleInt { Value: var number } && number == Magic
            ? end
            : throw new BrokenFileException("is a pickle but not one of torch.save's: its magic number is missing");
    }

    public static TorchContent Read(ReadOnlyMemory<byte> file)
    {
        var at = CheckMagic(file);
        (var protocol, at) = Pickle.Read(file, at);
        if (protocol is not PickleInt { Value: var version } || version != Protocol)
            throw new BrokenFileException($"has another protocol than torch.save's {Protocol}");
        (var system, at) = Pickle.Read(file, at);
        CheckSystem(system);
        var storages = new TorchStorages(file.Length);
        (var root, at) = Pickle.Read(file, at, storages.Resolve);
        (var keys, at) = Pickle.Read(file, at);
        if (keys is not PickleList { Items: var list })
            throw new BrokenFileException("has no list of storages");
        var records = new Dictionary<string, ReadOnlyMemory<byte>>();
        foreach (var key in list)
        {
            if (key is not PickleString { Value: var name } || !storages.ByKey.TryGetValue(name, out var storage))
                throw new BrokenFileException("lists a storage that its pickle does not describe");
            if (!records.TryAdd(name, Storage(file, storage, ref at)))
                throw new BrokenFileException($"lists the storage {Quoted.Of(name)} twice");
        }
        if (records.Count != storages.ByKey.Count)
            throw new BrokenFileException("does not list all storages that its pickle describes");
        if (at != file.Length)
            throw new BrokenFileException($"has {file.Length - at} bytes after its last storage");
        return new TorchContent("torch.save legacy", root, records);
    }

    // Elements have fixed sizes whatever the writer's machine; its own sizes matter only where they differ from all
    // known machines.
    private static void CheckSystem(PickleValue system)
    {
        if (system is not PickleDict information)
            throw new BrokenFileException("has no system information");
        if (information["little_endian"] is not PickleBool { Value: true })
            throw new BrokenFileException("was written in big-endian byte order, which is not read");
        if (information["type_sizes"] is not PickleDict sizes)
            return;
        if (!Has(sizes, "short", 2) || !Has(sizes, "int", 4) || !(Has(sizes, "long", 4) || Has(sizes, "long", 8)))
            throw new BrokenFileException("was written on a machine with other integer sizes, which is not read");
    }

    private static bool Has(PickleDict sizes, string type, int bytes) =>
        sizes[type] is null || sizes[type] is PickleInt { Value: var size } && size == bytes;

    private static ReadOnlyMemory<byte> Storage(ReadOnlyMemory<byte> file, TorchStorage storage, ref int at)
    {
        if (file.Length - at < sizeof(long))
            throw Truncated(storage);
        var count = BinaryPrimitives.ReadInt64LittleEndian(file.Span[at..]);
        if (count != storage.Record)
            throw new BrokenFileException(
                $"storage {Quoted.Of(storage.Key)} has {count} elements where its pickle says {storage.Record}"
            );
        at += sizeof(long);
        var bytes = count * storage.Width;
        if (bytes > file.Length - at)
            throw Truncated(storage);
        at += (int)bytes;
        return file.Slice(at - (int)bytes, (int)bytes);
    }

    private static BrokenFileException Truncated(TorchStorage storage) =>
        new($"is truncated in storage {Quoted.Of(storage.Key)}");
}
