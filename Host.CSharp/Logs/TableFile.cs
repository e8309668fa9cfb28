using System.Text.Json.Nodes;
using Hybrid.Host.Checkpoints;
using Hybrid.Host.Runtime;

namespace Hybrid.Host.Logs;

/// <summary>A log as text, a line a record under a line of names, which a run that is taken up again goes on with.</summary>
public sealed class TableFile : IDisposable
{
    private readonly string _path;
    private readonly IReadOnlyList<string> _columns;
    private readonly Action<string>? _warn;
    private readonly FileStream _file;
    private readonly StreamWriter _writer;
    private long _lines;

    /// <summary>Makes the file, or opens that of the same run.</summary>
    /// <param name="warn">Told where the file is not as the run left it.</param>
    /// <exception cref="WorkException">It is a link, or no ordinary file.</exception>
    public TableFile(string path, IReadOnlyList<string> columns, Action<string>? warn = null)
    {
        (_path, _columns, _warn) = (path, columns, warn);
        _file = RegularFile.Open(path, FileShare.Read);
        _file.Seek(0, SeekOrigin.End);
        _writer = new StreamWriter(_file) { NewLine = "\n" };
        if (_file.Length == 0)
            Row([.. columns]);
    }

    /// <summary>Adds a line. It is in the file when this returns: a run may end at any moment.</summary>
    public void Row(params ReadOnlySpan<string> fields)
    {
        _writer.WriteLine(string.Join(',', fields));
        _writer.Flush();
        _lines++;
    }

    /// <summary>Where the file is now; it is on the disk when this returns, since the state that says so will be.</summary>
    public JsonObject Save()
    {
        _file.Flush(flushToDisk: true);
        return new() { ["length"] = _file.Length, ["lines"] = _lines };
    }

    /// <summary>
    /// Takes away what came after a saved state. A file that was changed since, as by a spreadsheet that ends lines in
    /// another way, is cut after as many lines as it had; one that is shorter keeps its whole lines and is never
    /// lengthened.
    /// </summary>
    internal void Restore(StoredFields saved)
    {
        var length = saved.Whole("length", 0, long.MaxValue);
        var lines = saved.Whole("lines", 0, long.MaxValue);
        var (at, counted) = EndOfLine(lines);
        if (counted != lines || at != length)
            _warn?.Invoke(
                counted < lines
                    ? $"'{_path}' has {counted} lines where the saved state has {lines}: the others are lost"
                    : $"'{_path}' was changed since the state was saved: it goes on after the same {lines} lines"
            );
        if (at < _file.Length)
            _file.SetLength(at);
        _file.Seek(0, SeekOrigin.End);
        _lines = counted;
        if (counted == 0)
            Row([.. _columns]);
    }

    public void Dispose() => _writer.Dispose();

    /// <summary>The place behind so many lines, or behind the last whole one.</summary>
    private (long At, long Lines) EndOfLine(long wanted)
    {
        var (at, lines) = (0L, 0L);
        var buffer = new byte[1 << 16];
        _file.Position = 0;
        for (long start = 0; lines < wanted && _file.Read(buffer) is > 0 and var read; start += read)
        for (var place = 0; place < read && lines < wanted; place++)
            if (buffer[place] == '\n')
                (at, lines) = (start + place + 1, lines + 1);
        return (at, lines);
    }
}
