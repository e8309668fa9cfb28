using System.Text;
using Hybrid.Host.Runtime;

namespace Hybrid.Host.Data;

/// <summary>
/// A tar archive on its way to a reader, which holds names, links and attributes of an entry in memory whatever their
/// length: here each header goes past first, and one that announces more than any name needs ends the reading.
/// </summary>
/// <param name="tar">The archive, unpacked, from its beginning.</param>
/// <param name="archive">Its name, for messages.</param>
internal sealed class TarHeaders(Stream tar, string archive) : Stream
{
    private const int Block = 512;

    // Names of 4,096 characters and a few attributes.
    private const int MostBytes = 16 * 1024;

    private readonly byte[] _header = new byte[Block];
    private readonly MemoryStream _attributes = new();
    private int _filled;
    private long _left;
    private bool _isAttributes;

    public override bool CanRead => true;
    public override bool CanSeek => false;
    public override bool CanWrite => false;
    public override long Length => throw new NotSupportedException();
    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override int Read(Span<byte> buffer)
    {
        var read = tar.Read(buffer);
        Follow(buffer[..read]);
        return read;
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancel = default)
    {
        var read = await tar.ReadAsync(buffer, cancel);
        Follow(buffer.Span[..read]);
        return read;
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancel) =>
        ReadAsync(buffer.AsMemory(offset, count), cancel).AsTask();

    public override void Flush() { }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    private void Follow(ReadOnlySpan<byte> bytes)
    {
        while (bytes.Length > 0)
        {
            var inside = (int)Math.Min(_left > 0 ? _left : Block - _filled, bytes.Length);
            if (_left > 0)
            {
                if (_isAttributes)
                    _attributes.Write(bytes[..inside]);
                _left -= inside;
                if (_left == 0 && _isAttributes)
                    CheckAttributes();
            }
            else
            {
                bytes[..inside].CopyTo(_header.AsSpan(_filled));
                _filled += inside;
                if (_filled == Block)
                    Enter();
            }

            bytes = bytes[inside..];
        }
    }

    /// <summary>A whole header: what follows it is skipped, in whole blocks.</summary>
    private void Enter()
    {
        _filled = 0;
        var size = Size(_header.AsSpan(124, 12));
        var kind = (char)_header[156];
        _isAttributes = kind is 'x' or 'g';
        _attributes.SetLength(0);
        if ((_isAttributes || kind is 'L' or 'K') && size is null or > MostBytes)
            throw new WorkException(
                $"'{archive}' has a name or attributes of {size ?? -1:N0} bytes, more than the {MostBytes:N0} allowed; not unpacked"
            );
        // Another broken size is for the reader to refuse, before it reads on.
        _left = size is { } known && known <= long.MaxValue - Block ? (known + Block - 1) / Block * Block : 0;
    }

    /// <summary>A size among the attributes would win over the header's, and the next header would lie elsewhere than
    /// looked for here. It is needed from 8 GiB on only.</summary>
    private void CheckAttributes()
    {
        if (Encoding.UTF8.GetString(_attributes.ToArray()).Contains(" size=", StringComparison.Ordinal))
            throw new WorkException($"'{archive}' keeps sizes among its attributes; not unpacked");
    }

    /// <summary>Octal digits, or a number in base 256 with the first bit set; null where it is neither.</summary>
    private static long? Size(ReadOnlySpan<byte> field)
    {
        if ((field[0] & 0x80) != 0)
        {
            if (field[0] != 0x80 || field[1..4].ContainsAnyExcept((byte)0) || (field[4] & 0x80) != 0)
                return null;
            return System.Buffers.Binary.BinaryPrimitives.ReadInt64BigEndian(field[4..]);
        }

        long size = 0;
        foreach (var digit in Encoding.ASCII.GetString(field).Trim('\0', ' '))
        {
            if (digit is < '0' or > '7')
                return null;
            size = size * 8 + (digit - '0');
        }

        return size;
    }
}
