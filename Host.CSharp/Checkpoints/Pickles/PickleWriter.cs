using System.Buffers.Binary;
using System.Globalization;
using System.Numerics;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Hybrid.Host.Checkpoints;

/// <summary>
/// Writes protocol 2 with only those instructions that torch.load's restricted reader (<c>weights_only=True</c>)
/// accepts. Nothing but names of classes is put into the memo, so that equal values give equal bytes.
/// </summary>
internal sealed class PickleWriter
{
    private readonly MemoryStream buffer = new();
    private readonly Dictionary<string, int> memo = [];

    public PickleWriter()
    {
        Op(PickleOpcode.Proto);
        buffer.WriteByte(2);
    }

    public byte[] Finish()
    {
        Op(PickleOpcode.Stop);
        return buffer.ToArray();
    }

    public void Op(PickleOpcode opcode) => buffer.WriteByte((byte)opcode);

    public void Bool(bool value) => Op(value ? PickleOpcode.NewTrue : PickleOpcode.NewFalse);

    public void Int(BigInteger value)
    {
        if (value >= int.MinValue && value <= int.MaxValue)
        {
            Span<byte> bytes = stackalloc byte[4];
            BinaryPrimitives.WriteInt32LittleEndian(bytes, (int)value);
            Op(PickleOpcode.BinInt);
            buffer.Write(bytes);
            return;
        }
        var wide = value.ToByteArray();
        Op(PickleOpcode.Long1);
        buffer.WriteByte(checked((byte)wide.Length));
        buffer.Write(wide);
    }

    public void Float(double value)
    {
        Span<byte> bytes = stackalloc byte[8];
        BinaryPrimitives.WriteDoubleBigEndian(bytes, value);
        Op(PickleOpcode.BinFloat);
        buffer.Write(bytes);
    }

    public void Text(string value)
    {
        var bytes = Encoding.UTF8.GetBytes(value);
        Span<byte> length = stackalloc byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(length, bytes.Length);
        Op(PickleOpcode.BinUnicode);
        buffer.Write(length);
        buffer.Write(bytes);
    }

    public void Global(string module, string name)
    {
        if (memo.TryGetValue($"{module}.{name}", out var index))
        {
            Op(PickleOpcode.BinGet);
            buffer.WriteByte((byte)index);
            return;
        }
        Op(PickleOpcode.Global);
        buffer.Write(Encoding.ASCII.GetBytes($"{module}\n{name}\n"));
        memo[$"{module}.{name}"] = memo.Count;
        Op(PickleOpcode.BinPut);
        buffer.WriteByte(checked((byte)(memo.Count - 1)));
    }

    public void Tuple(ReadOnlySpan<long> values)
    {
        Op(PickleOpcode.Mark);
        foreach (var value in values)
            Int(value);
        Op(PickleOpcode.Tuple);
    }

    /// <summary>An empty collections.OrderedDict.</summary>
    public void OrderedDict()
    {
        Global("collections", "OrderedDict");
        Op(PickleOpcode.EmptyTuple);
        Op(PickleOpcode.Reduce);
    }

    /// <summary>JSON as Python's json module would read it: numbers without a fraction are int.</summary>
    public void Json(JsonNode? node)
    {
        switch (node)
        {
            case null:
                Op(PickleOpcode.None);
                break;
            case JsonObject dict:
                Op(PickleOpcode.EmptyDict);
                Op(PickleOpcode.Mark);
                foreach (var (key, value) in dict)
                {
                    Text(key);
                    Json(value);
                }
                Op(PickleOpcode.SetItems);
                break;
            case JsonArray list:
                Op(PickleOpcode.EmptyList);
                Op(PickleOpcode.Mark);
                foreach (var item in list)
                    Json(item);
                Op(PickleOpcode.Appends);
                break;
            default:
                Scalar(node.AsValue());
                break;
        }
    }

    private void Scalar(JsonValue value)
    {
        switch (value.GetValueKind())
        {
            case JsonValueKind.True or JsonValueKind.False:
                Bool(value.GetValue<bool>());
                break;
            case JsonValueKind.Number:
                Number(value);
                break;
            default:
                Text(value.GetValue<string>());
                break;
        }
    }

    // A double that was put there as one stays one, though its JSON text may lack a fraction: a rate of 1.0.
    private void Number(JsonValue value)
    {
        if (value.GetValue<object>() is double or float or decimal)
        {
            Float(Convert.ToDouble(value.GetValue<object>(), CultureInfo.InvariantCulture));
            return;
        }
        var text = value.ToJsonString();
        if (BigInteger.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var whole))
            Int(whole);
        else
            Float(double.Parse(text, NumberStyles.Float, CultureInfo.InvariantCulture));
    }
}
