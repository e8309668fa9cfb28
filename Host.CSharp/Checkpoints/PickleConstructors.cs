using System.Collections.Frozen;
using System.Text;

namespace Hybrid.Host.Checkpoints;

/// <summary>
/// The only names that a pickle may call, and the data that each call stands for. Any other is refused, whatever
/// it would do. Names are those of PyTorch, Lightning and Python; Python 2's <c>__builtin__</c> is what protocol 2
/// writes for <c>builtins</c>.
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
        ["torch._utils._rebuild_tensor_v2"] = Tensor,
        ["torch._utils._rebuild_parameter"] = Parameter,
        ["torch._utils._rebuild_parameter_with_state"] = Parameter,
    }.ToFrozenDictionary();

    /// <exception cref="BrokenFileException">The name is not in the list, or its arguments are not what it takes.
    /// </exception>
    public static PickleValue Call(Pickle machine, PickleGlobal callee, PickleValue[] arguments) =>
        !Known.TryGetValue(callee.FullName, out var constructor)
            ? throw new BrokenFileException($"its pickle calls {Quoted.Of(callee.FullName)}, which is refused")
            : constructor(machine, arguments)
                ?? throw new BrokenFileException($"its pickle calls {callee.FullName} with arguments it does not take");

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
    private static PickleDict? Defaulting(Pickle machine, PickleValue[] arguments) =>
        arguments is [] or [PickleGlobal or PickleNone] ? new PickleDict() : null;

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
    private static PickleBytes? Bytes(Pickle machine, PickleValue[] arguments)
    {
        if (arguments is not [PickleString text, PickleString { Value: "latin1" or "latin-1" }])
            return null;
        machine.Charge(text.Value.Length);
        return text.Value.All(c => c <= 0xff) ? new PickleBytes(Encoding.Latin1.GetBytes(text.Value)) : null;
    }

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

    private static TorchTensor? Tensor(Pickle machine, PickleValue[] arguments)
    {
        // requires_grad, backward hooks and further metadata say nothing about the values.
        if (
            arguments
            is not [
                TorchStorage storage,
                PickleInt offset,
                PickleTuple sizes,
                PickleTuple strides,
                _,
                _,
                .. { Length: <= 1 },
            ]
        )
            return null;
        machine.Charge(sizes.Items.Length + strides.Items.Length);
        return TorchTensor.Rebuild(storage, offset, sizes.Items, strides.Items);
    }

    private static TorchTensor? Parameter(Pickle machine, PickleValue[] arguments) =>
        arguments is [TorchTensor tensor, _, _, .. { Length: <= 1 }] ? tensor : null;
}
