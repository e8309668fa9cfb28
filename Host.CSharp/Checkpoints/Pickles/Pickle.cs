namespace Hybrid.Host.Checkpoints;

/// <summary>
/// Reads one pickle into plain values. The machine has no way to run anything: a class or function is a name that
/// may be held. Calling one of the few in <see cref="PickleConstructors"/> builds data; calling any other leaves a
/// <see cref="PickleObject"/>, which is never built. Source for the instructions: Python's pickletools.
/// </summary>
internal sealed class Pickle
{
    /// <summary>Instructions, and values copied by them, that one pickle may take. An instruction of one byte may
    /// build an object of some fifty, so the length of the file alone is no bound on memory.</summary>
    private const int MostSteps = 4_000_000;

    private readonly PickleCursor cursor;
    private readonly PickleStack stack;
    private readonly Func<PickleValue, PickleValue>? resolve;
    private readonly Dictionary<long, PickleValue> memo = [];
    private int steps;

    private Pickle(ReadOnlyMemory<byte> bytes, int start, Func<PickleValue, PickleValue>? resolve)
    {
        cursor = new PickleCursor(bytes, start);
        stack = new PickleStack(cursor);
        this.resolve = resolve;
    }

    /// <summary>Reads the pickle that begins at <paramref name="start"/>; End is the byte after it.</summary>
    /// <param name="bytes">The file or record that holds it.</param>
    /// <param name="start">Where it begins.</param>
    /// <param name="resolve">What a persistent id stands for; null where none may occur.</param>
    public static (PickleValue Value, int End) Read(
        ReadOnlyMemory<byte> bytes,
        int start,
        Func<PickleValue, PickleValue>? resolve = null
    )
    {
        var machine = new Pickle(bytes, start, resolve);
        return (machine.Run(), machine.cursor.Position);
    }

    /// <summary>Counts <paramref name="values"/> steps of work; a constructor that copies calls it too.</summary>
    public void Charge(int values)
    {
        if (values > MostSteps - steps)
            throw new BrokenFileException($"its pickle takes more than {MostSteps} steps");
        steps += values;
    }

    private PickleValue Run()
    {
        if ((PickleOpcode)cursor.Byte() != PickleOpcode.Proto || cursor.Byte() is < 2 or > 5)
            throw new BrokenFileException("its pickle does not begin with a protocol from 2 to 5");
        while (true)
        {
            Charge(1);
            var opcode = (PickleOpcode)cursor.Byte();
            if (opcode == PickleOpcode.Stop)
                break;
            if (Value(opcode) is { } value)
                stack.Push(value);
            else
                Act(opcode);
        }
        var result = stack.Pop();
        return stack.IsEmpty ? result : throw new BrokenFileException("its pickle leaves values behind");
    }

    /// <summary>What the instructions push that push something; null for the others.</summary>
    private PickleValue? Value(PickleOpcode opcode) =>
        opcode switch
        {
            PickleOpcode.None => PickleNone.Value,
            PickleOpcode.NewTrue => PickleBool.True,
            PickleOpcode.NewFalse => PickleBool.False,
            PickleOpcode.BinInt => new PickleInt(cursor.Int32()),
            PickleOpcode.BinInt1 => new PickleInt(cursor.Byte()),
            PickleOpcode.BinInt2 => new PickleInt(cursor.UInt16()),
            PickleOpcode.Long1 => cursor.Integer(cursor.Byte()),
            PickleOpcode.Long4 => cursor.Integer(cursor.UInt32()),
            PickleOpcode.BinFloat => new PickleFloat(cursor.Float64()),
            PickleOpcode.ShortBinString or PickleOpcode.ShortBinUnicode => new PickleString(cursor.Text(cursor.Byte())),
            PickleOpcode.BinString or PickleOpcode.BinUnicode => new PickleString(cursor.Text(cursor.UInt32())),
            PickleOpcode.BinUnicode8 => new PickleString(cursor.Text(cursor.UInt64())),
            PickleOpcode.ShortBinBytes => new PickleBytes(cursor.Block(cursor.Byte())),
            PickleOpcode.BinBytes => new PickleBytes(cursor.Block(cursor.UInt32())),
            PickleOpcode.BinBytes8 or PickleOpcode.ByteArray8 => new PickleBytes(cursor.Block(cursor.UInt64())),
            PickleOpcode.EmptyTuple => new PickleTuple([]),
            PickleOpcode.Tuple1 => new PickleTuple(stack.Pop(1)),
            PickleOpcode.Tuple2 => new PickleTuple(stack.Pop(2)),
            PickleOpcode.Tuple3 => new PickleTuple(stack.Pop(3)),
            PickleOpcode.Tuple => new PickleTuple(stack.PopGroup()),
            PickleOpcode.EmptyList => new PickleList([]),
            PickleOpcode.EmptyDict => new PickleDict(),
            PickleOpcode.EmptySet => new PickleSet([]),
            PickleOpcode.FrozenSet => new PickleSet([.. stack.PopGroup()]),
            PickleOpcode.BinGet => Recall(cursor.Byte()),
            PickleOpcode.LongBinGet => Recall(cursor.UInt32()),
            PickleOpcode.Global => new PickleGlobal(cursor.Line(), cursor.Line()),
            PickleOpcode.StackGlobal => Named(stack.Pop(2)),
            PickleOpcode.Reduce or PickleOpcode.NewObj => Called(stack.Pop(2)),
            PickleOpcode.NewObjEx => CalledByName(stack.Pop(3)),
            PickleOpcode.BinPersId => Resolved(stack.Pop()),
            _ => null,
        };

    private void Act(PickleOpcode opcode)
    {
        switch (opcode)
        {
            case PickleOpcode.Frame:
                if (cursor.UInt64() > (ulong)cursor.Remaining)
                    throw cursor.Misplaced("has a frame longer than itself");
                break;
            case PickleOpcode.Mark:
                stack.Mark();
                break;
            case PickleOpcode.Pop:
                stack.Discard();
                break;
            case PickleOpcode.PopMark:
                stack.PopGroup();
                break;
            case PickleOpcode.Append:
                Append(stack.Pop(1));
                break;
            case PickleOpcode.Appends:
                Append(stack.PopGroup());
                break;
            case PickleOpcode.AddItems:
                AddItems(stack.PopGroup());
                break;
            case PickleOpcode.SetItem:
                SetItems(stack.Pop(2));
                break;
            case PickleOpcode.SetItems:
                SetItems(stack.PopGroup());
                break;
            case PickleOpcode.BinPut:
                Remember(cursor.Byte());
                break;
            case PickleOpcode.LongBinPut:
                Remember(cursor.UInt32());
                break;
            case PickleOpcode.Memoize:
                Remember(memo.Count);
                break;
            case PickleOpcode.Build:
                GiveState(stack.Pop());
                break;
            default:
                var name = Enum.IsDefined(opcode) ? opcode.ToString() : $"0x{(byte)opcode:x2}";
                throw cursor.Misplaced($"uses the instruction {name}, which is refused,");
        }
    }

    private void Remember(long index)
    {
        // Python numbers them from 0 as it goes, so that no honest index reaches the pickle's own length.
        if (index > cursor.Total)
            throw cursor.Misplaced($"remembers a value as number {index}");
        memo[index] = stack.Top();
    }

    private PickleValue Recall(long index) =>
        memo.GetValueOrDefault(index) ?? throw cursor.Misplaced($"recalls number {index}, which is not there,");

    private void Append(PickleValue[] items)
    {
        // What a list of an unknown class holds is as unknown as the class.
        if (stack.Top() is PickleObject)
            return;
        if (stack.Top() is not PickleList list)
            throw cursor.Misplaced($"appends to {stack.Top().Kind}");
        list.Items.AddRange(items);
    }

    private void AddItems(PickleValue[] items)
    {
        if (stack.Top() is PickleObject)
            return;
        if (stack.Top() is not PickleSet set)
            throw cursor.Misplaced($"adds members to {stack.Top().Kind}");
        set.Items.AddRange(items);
    }

    private void SetItems(PickleValue[] items)
    {
        var dict = stack.Top() switch
        {
            PickleDict known => known,
            PickleObject other => other.Items ??= new PickleDict(),
            var top => throw cursor.Misplaced($"sets an item of {top.Kind}"),
        };
        if (items.Length % 2 != 0)
            throw cursor.Misplaced("sets a key without a value");
        for (var i = 0; i < items.Length; i += 2)
            dict.Set(items[i], items[i + 1]);
    }

    private PickleGlobal Named(PickleValue[] parts) =>
        parts is [PickleString { Value.Length: <= 256 } module, PickleString { Value.Length: <= 256 } name]
            ? new PickleGlobal(module.Value, name.Value)
            : throw cursor.Misplaced("names a class by something that is no name");

    private PickleValue Called(PickleValue[] call)
    {
        if (call[0] is not (PickleGlobal or PickleObject))
            throw cursor.Misplaced($"calls {call[0].Kind}");
        if (call[1] is not PickleTuple arguments)
            throw cursor.Misplaced($"calls {call[0].Kind} without arguments");
        return call[0] is PickleGlobal callee
            ? PickleConstructors.Call(this, callee, arguments.Items)
            : new PickleObject(((PickleObject)call[0]).Type, arguments.Items);
    }

    // A class and its arguments, those with names last.
    private PickleObject CalledByName(PickleValue[] call) =>
        call is [PickleGlobal callee, PickleTuple arguments, PickleDict]
            ? new PickleObject(callee.FullName, arguments.Items)
            : throw cursor.Misplaced($"calls {call[0].Kind} with names for {call[1].Kind}");

    private PickleValue Resolved(PickleValue id) =>
        resolve is null ? throw cursor.Misplaced("refers to a storage where none may be") : resolve(id);

    private void GiveState(PickleValue state)
    {
        switch (stack.Top())
        {
            case PickleObject other:
                other.State ??= state;
                break;
            case TorchTensor:
                // What a program hung onto a tensor says nothing about its values.
                break;
            case PickleDict { TakesState: true } dict:
                if (state is PickleDict attributes && !ReferenceEquals(dict, attributes))
                    GiveAttributes(dict, attributes);
                break;
            default:
                throw cursor.Misplaced($"gives state to {stack.Top().Kind}");
        }
    }

    // A subclass of dict keeps its content elsewhere: state_dict's _metadata, for one, is an attribute.
    private void GiveAttributes(PickleDict dict, PickleDict attributes)
    {
        if (!dict.StateIsItems)
        {
            dict.Attributes ??= attributes;
            return;
        }
        Charge(attributes.Pairs.Count);
        foreach (var (key, value) in attributes.Pairs)
            dict.Set(key, value);
    }
}
