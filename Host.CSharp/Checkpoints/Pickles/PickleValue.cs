using System.Numerics;
using System.Runtime.CompilerServices;
using System.Text;

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
    private int? hash;

    public string Value => value;

    /// <summary>Worked out once: a text of a thousand characters may be used as a key a million times.</summary>
    public int Hash => hash ??= value.GetHashCode();

    public override string Kind => "a string";
}

/// <summary>Bytes, which protocol 2 writes as a text of characters up to 255.</summary>
internal sealed class PickleBytes : PickleValue
{
    private readonly ReadOnlyMemory<byte> bytes;
    private readonly string? latin1;

    public PickleBytes(ReadOnlyMemory<byte> bytes) => this.bytes = bytes;

    /// <summary>Stands for the text; it is not copied, however often a pickle asks for its bytes.</summary>
    public PickleBytes(string latin1) => this.latin1 = latin1;

    public int Length => latin1?.Length ?? bytes.Length;

    public override string Kind => "bytes";

    public byte[] ToArray() => latin1 is null ? bytes.ToArray() : Encoding.Latin1.GetBytes(latin1);
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
    private string? fullName;
    private int? hash;

    public string FullName => fullName ??= $"{module}.{name}";

    public int Hash => hash ??= FullName.GetHashCode();

    public string ShortName => name[(name.LastIndexOf('.') + 1)..];

    public override string Kind => $"the class {Quoted.Of(FullName)}";
}

/// <summary>
/// What stands where a pickle builds something that is not known here: a scheduler, a path, a loss, a function's result.
/// It is never built. What it was given is kept as plain data, so that a reader that has to can look inside.
/// </summary>
/// <param name="type">The name that was called.</param>
/// <param name="arguments">What it was called with.</param>
internal sealed class PickleObject(string type, PickleValue[] arguments) : PickleValue
{
    public string Type => type;

    public string ShortName => type[(type.LastIndexOf('.') + 1)..];

    public PickleValue[] Arguments => arguments;

    /// <summary>Its attributes, as BUILD gave them.</summary>
    public PickleValue? State { get; set; }

    /// <summary>Its items, where it is a dictionary of a class of its own.</summary>
    public PickleDict? Items { get; set; }

    public override string Kind => $"an object of the class {Quoted.Of(type)}";
}

/// <summary>A dictionary in order of insertion; setting a key again keeps its place, as in Python.</summary>
/// <param name="takesState">Whether Python would let BUILD give it attributes, as it does for subclasses of dict.
/// </param>
/// <param name="stateIsItems">Whether such attributes are its content, as for argparse.Namespace.</param>
internal sealed class PickleDict(bool takesState = false, bool stateIsItems = false) : PickleValue
{
    /// <summary>Longer ones are told apart by identity: nothing that is looked up here is as long, and comparing them
    /// again and again would take more time than reading the file.</summary>
    private const int LongestKey = 1024;

    private static readonly IReadOnlyList<KeyValuePair<PickleValue, PickleValue>> None = [];

    // A byte of a pickle makes one of these: what it does not hold yet takes no memory.
    private List<KeyValuePair<PickleValue, PickleValue>>? pairs;
    private Dictionary<PickleValue, int>? places;

    public bool TakesState => takesState;

    public bool StateIsItems => stateIsItems;

    /// <summary>Attributes of the dictionary itself: a state dict's <c>_metadata</c>, for one.</summary>
    public PickleDict? Attributes { get; set; }

    public IReadOnlyList<KeyValuePair<PickleValue, PickleValue>> Pairs => pairs ?? None;

    public override string Kind => "a dictionary";

    public PickleValue? this[string key] =>
        places is not null && places.TryGetValue(new PickleString(key), out var place) ? pairs![place].Value : null;

    public void Set(PickleValue key, PickleValue value)
    {
        places ??= new Dictionary<PickleValue, int>(ByScalar.Instance);
        pairs ??= [];
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
            ReferenceEquals(x, y)
            || (x, y) switch
            {
                (PickleString { Value.Length: <= LongestKey } a, PickleString { Value.Length: <= LongestKey } b) =>
                    a.Hash == b.Hash && a.Value == b.Value,
                (PickleInt a, PickleInt b) => a.Value == b.Value,
                (PickleGlobal a, PickleGlobal b) => a.FullName == b.FullName,
                _ => false,
            };

        public int GetHashCode(PickleValue value) =>
            value switch
            {
                PickleString { Value.Length: <= LongestKey } s => s.Hash,
                PickleInt i => Hash(i.Value),
                PickleGlobal g => g.Hash,
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
