using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;

namespace Hybrid.Host.Logs;

/// <summary>A message of protocol buffers, field by field, for the few that no package has a class for.</summary>
public sealed class WireMessage
{
    private readonly MemoryStream _bytes = new();

    public WireMessage Add(int field, string value) =>
        Write(field, WireFormat.WireType.LengthDelimited, stream => stream.WriteString(value));

    public WireMessage Add(int field, double value) =>
        Write(field, WireFormat.WireType.Fixed64, stream => stream.WriteDouble(value));

    /// <summary>A number or a member of an enumeration.</summary>
    public WireMessage Add(int field, int value) =>
        Write(field, WireFormat.WireType.Varint, stream => stream.WriteInt32(value));

    public WireMessage Add(int field, WireMessage value) =>
        Write(field, WireFormat.WireType.LengthDelimited, stream => stream.WriteBytes(value.ToByteString()));

    public WireMessage Add(int field, Value value) =>
        Write(field, WireFormat.WireType.LengthDelimited, stream => stream.WriteMessage(value));

    public ByteString ToByteString() => ByteString.CopyFrom(_bytes.ToArray());

    private WireMessage Write(int field, WireFormat.WireType type, Action<CodedOutputStream> write)
    {
        using var stream = new CodedOutputStream(_bytes, leaveOpen: true);
        stream.WriteTag(field, type);
        write(stream);
        return this;
    }
}
