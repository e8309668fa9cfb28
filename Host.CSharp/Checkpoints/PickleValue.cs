using System.Numerics;
using System.Runtime.CompilerServices;

namespace Hybrid.Host.Checkpoints;

/// <summary>
/// What a pickle may hold. All are plain data; none can run. They compare by reference on purpose: an archive may
/// hold itself or be nested a million deep, and structural equality would follow it there.
/// </summary>
internal abstract class PickleValue
{
    /// <summary>The word for it in messages.</summary>
    public abstract string Kind { get; }
}

internal sealed class PickleNone : PickleValue
{
    public static readonly PickleNone Value = new();

    public override string Kind => "None";
}

internal sealed class PickleBool(bool value) : PickleValue
{
    public static readonly PickleBool True = new(true),
        False = new(false);

    public bool Value => value;

    public override string Kind => "a bool";
}

internal sealed class PickleInt(BigInteger value) : PickleValue
{
    public BigInteger Value => value;

    public override string Kind => "an int";
}

internal sealed class PickleFloat(double value) : PickleValue
{
    public double Value => value;

    public override string Kind => "a float";
}

internal sealed class PickleString(string value) : PickleValue
{
    public string Value => value;

    public override string Kind => "a string";
}

internal sealed class PickleBytes(ReadOnlyMemory<byte> value) : PickleValue
{
    public ReadOnlyMemory<byte> Value => value;

    public override string Kind => "bytes";
}

internal sealed class PickleTuple(PickleValue[] items) : PickleValue
{
    public PickleValue[] Items => items;

    public override string Kind => "a tuple";
}

internal sealed class PickleList(List<PickleValue> items) : PickleValue
{
    public List<PickleValue> Items => items;

    public override string Kind => "a list";
}

internal sealed class PickleSet(List<PickleValue> items) : PickleValue
{
    public List<PickleValue> Items => items;

    public override string Kind => "a set";
}

/// <summary>
/// The name of a class or function, such as <c>torch.float32</c>: a word that may be held but is never looked up.
/// Only <see cref="PickleConstructors"/> gives a few of these names a meaning when they are called.
/// </summary>
internal sealed class PickleGlobal(string module, string name) : PickleValue
{
    public string FullName => $"{module}.{name}";

    public string ShortName => name[(name.LastIndexOf('.') + 1)..];

    public override string Kind => $"the class {Quoted.Of(FullName)}";
}

/// <summary>A dictionary in order of insertion; setting a key again keeps its place, as in Python.</summary>
/// <param name="takesState">Whether Python would let BUILD give it attributes, as it does for subclasses of dict.
/// </param>
/// <param name="stateIsItems">Whether such attributes are its content, as for argparse.Namespace.</param>
internal sealed class PickleDict(bool takesState = false, bool stateIsItems = false) : PickleValue
{
    private const int LongestKey = 4096;

    private readonly List<KeyValuePair<PickleValue, PickleValue>> pairs = [];
    private Dictionary<PickleValue, int>? places;

    public bool TakesState => takesState;

    public bool StateIsItems => stateIsItems;

    public IReadOnlyList<KeyValuePair<PickleValue, PickleValue>> Pairs => pairs;

    public override string Kind => "a dictionary";

    public PickleValue? this[string key] =>
        places is not null && places.TryGetValue(new PickleString(key), out var place) ? pairs[place].Value : null;

    public void Set(PickleValue key, PickleValue value)
    {
        // One long string may be used as a key any number of times, and each use reads all of it.
        if (key is PickleString { Value.Length: > LongestKey })
            throw new BrokenFileException($"its pickle has a dictionary key longer than {LongestKey} characters");
        places ??= new Dictionary<PickleValue, int>(ByScalar.Instance);
        if (places.TryAdd(key, pairs.Count))
            pairs.Add(new(key, value));
        else
            pairs[places[key]] = new(pairs[places[key]].Key, value);
    }

    /// <summary>Strings, integers and names equal by value, everything else by identity. Hashes are seeded per
    /// process, so that an archive cannot be built to make them collide.</summary>
    private sealed class ByScalar : IEqualityComparer<PickleValue>
    {
        public static readonly ByScalar Instance = new();

        public bool Equals(PickleValue? x, PickleValue? y) =>
            (x, y) switch
            {
                (PickleString a, PickleString b) => a.Value == b.Value,
                (PickleInt a, PickleInt b) => a.Value == b.Value,
                (PickleGlobal a, PickleGlobal b) => a.FullName == b.FullName,
                _ => ReferenceEquals(x, y),
            };

        public int GetHashCode(PickleValue value) =>
            value switch
            {
                PickleString s => s.Value.GetHashCode(),
                PickleInt i => Hash(i.Value),
                PickleGlobal g => g.FullName.GetHashCode(),
                _ => RuntimeHelpers.GetHashCode(value),
            };

        private static int Hash(BigInteger value)
        {
            var hash = new HashCode();
            hash.AddBytes(value.ToByteArray());
            return hash.ToHashCode();
        }
    }
}
