using System.Collections.Frozen;

namespace Hybrid.Host.Checkpoints;

/// <summary>
/// The only names whose call by a pickle means anything, and the data that each call stands for. Any other leaves an
/// inert <see cref="PickleObject"/>, whatever it would do. Names are those of PyTorch, Lightning and Python; Python 2's
/// <c>__builtin__</c> is what protocol 2 writes for <c>builtins</c>.
/// </summary>
internal static class PickleConstructors
{
    private delegate PickleValue? Constructor(Pickle machine, PickleValue[] arguments);

    private static readonly FrozenDictionary<string, Constructor> Known = new Dictionary<string, Constructor>
    {
        ["collections.OrderedDict"] = Ordered,
        ["collections.Counter"] = Dictionary,
        ["collections.defaultdict"] = Defaulting,
        ["builtins.set"] = Set,
        ["builtins.frozenset"] = Set,
        ["__builtin__.set"] = Set,
        ["__builtin__.frozenset"] = Set,
        ["_codecs.encode"] = Bytes,
        ["argparse.Namespace"] = Namespace,
        ["pytorch_lightning.utilities.parsing.AttributeDict"] = Dictionary,
        ["lightning.pytorch.utilities.parsing.AttributeDict"] = Dictionary,
        ["lightning_fabric.utilities.data.AttributeDict"] = Dictionary,
        ["lightning.fabric.utilities.data.AttributeDict"] = Dictionary,
        ["torch.Size"] = Size,
        ["torch.device"] = Device,
        ["torch._utils._rebuild_tensor"] = Tensor,
        ["torch._utils._rebuild_tensor_v2"] = Tensor,
        ["torch._utils._rebuild_tensor_v3"] = NewTensor,
        ["torch._utils._rebuild_qtensor"] = (_, _) => new StrangeTensor("a quantised tensor"),
        ["torch._utils._rebuild_sparse_tensor"] = (_, _) => new StrangeTensor("a sparse tensor"),
        ["torch._tensor._rebuild_from_type_v2"] = Typed,
        ["torch._utils._rebuild_parameter"] = Parameter,
        ["torch._utils._rebuild_parameter_with_state"] = Parameter,
    }.ToFrozenDictionary();

    /// <exception cref="BrokenFileException">A tensor's arguments are not what it takes.</exception>
    public static PickleValue Call(Pickle machine, PickleGlobal callee, PickleValue[] arguments)
    {
        if (Known.TryGetValue(callee.FullName, out var constructor) && constructor(machine, arguments) is { } value)
            return value;
        return constructor == Tensor
            ? throw new BrokenFileException($"its pickle calls {callee.FullName} with arguments it does not take")
            : new PickleObject(callee.FullName, arguments);
    }

    private static PickleDict? Ordered(Pickle machine, PickleValue[] arguments)
    {
        var dict = new PickleDict(takesState: true);
        if (arguments is [])
            return dict;
        if (arguments is not [PickleList list])
            return Dictionary(machine, arguments);
        machine.Charge(list.Items.Count);
        foreach (var item in list.Items)
        {
            var pair = item switch
            {
                PickleTuple tuple => tuple.Items,
                PickleList { Items: [var k, var v] } => [k, v],
                _ => [],
            };
            if (pair is not [var key, var value])
                return null;
            dict.Set(key, value);
        }
        return dict;
    }

    private static PickleDict? Dictionary(Pickle machine, PickleValue[] arguments)
    {
        var dict = new PickleDict(takesState: true);
        if (arguments is [])
            return dict;
        if (arguments is not [PickleDict source])
            return null;
        machine.Charge(source.Pairs.Count);
        foreach (var (key, value) in source.Pairs)
            dict.Set(key, value);
        return dict;
    }

    // The factory of missing values is a name like any other and is never called.
    private static PickleDict Defaulting(Pickle machine, PickleValue[] arguments) => new(takesState: true);

    private static PickleDict? Namespace(Pickle machine, PickleValue[] arguments) =>
        arguments is [] ? new PickleDict(takesState: true, stateIsItems: true) : null;

    private static PickleSet? Set(Pickle machine, PickleValue[] arguments)
    {
        if (arguments is [])
            return new PickleSet([]);
        if (arguments is not [PickleList list])
            return null;
        machine.Charge(list.Items.Count);
        return new PickleSet([.. list.Items]);
    }

    // How protocol 2 writes bytes: as text in Latin-1.
    private static PickleBytes? Bytes(Pickle machine, PickleValue[] arguments) =>
        arguments is [PickleString text, PickleString { Value: "latin1" or "latin-1" }]
            ? new PickleBytes(text.Value)
            : null;

    private static PickleTuple? Size(Pickle machine, PickleValue[] arguments) =>
        arguments is [PickleTuple sizes] ? sizes : null;

    private static PickleString? Device(Pickle machine, PickleValue[] arguments) =>
        arguments switch
        {
            [PickleString { Value.Length: < 32 } name] => name,
            [PickleString { Value.Length: < 32 } name, PickleInt index] => new PickleString(
                $"{name.Value}:{index.Value}"
            ),
            _ => null,
        };

    private static PickleValue? Tensor(Pickle machine, PickleValue[] arguments)
    {
        // requires_grad, backward hooks and further metadata say nothing about the values. The first version had none.
        if (
            arguments
            is not [
                TorchStorage storage,
                PickleInt offset,
                PickleTuple sizes,
                PickleTuple strides,
                .. { Length: 0 or 2 or 3 },
            ]
        )
            return null;
        machine.Charge(sizes.Items.Length + strides.Items.Length);
        return storage.DType is null
            ? new StrangeTensor($"a tensor of the type {storage.Type}")
            : TorchTensor.Rebuild(storage, offset, sizes.Items, strides.Items);
    }

    // The types that came after the storages: float8, and unsigned ones of more than a byte.
    private static StrangeTensor NewTensor(Pickle machine, PickleValue[] arguments) =>
        new(
            arguments is [_, _, _, _, _, _, PickleGlobal type, ..]
                ? $"a tensor of the type {Quoted.Plain(type.ShortName, 80)}"
                : "a tensor of a new type"
        );

    private static PickleValue? Parameter(Pickle machine, PickleValue[] arguments) =>
        arguments is [TorchTensor or StrangeTensor, _, _, .. { Length: <= 1 }] ? arguments[0] : null;

    // A tensor with attributes, or of a class of its own: what it holds was built by one of the functions above.
    private static PickleValue? Typed(Pickle machine, PickleValue[] arguments) =>
        arguments is [PickleGlobal { FullName: "torch._utils._rebuild_tensor_v2" }, _, PickleTuple inner, ..]
            ? Tensor(machine, inner.Items)
        : arguments is [PickleGlobal { FullName: "torch._utils._rebuild_parameter" }, _, PickleTuple parameter, ..]
            ? Parameter(machine, parameter.Items)
        : null;
}
