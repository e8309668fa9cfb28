using System.Runtime.InteropServices;
using System.Text;
using System.Text.RegularExpressions;
using Hybrid.Host.Logs;
using Hybrid.Host.Runtime;
using Microsoft.Win32.SafeHandles;

namespace Hybrid.Host.Checkpoints;

/// <summary>
/// Held by the process that writes into a run's folder, for as long as it does. The file says who that is, and which files
/// the process has begun that no saved state knows of yet: after a kill they are found by it. The system frees the lock when
/// the process dies.
/// </summary>
internal sealed partial class RunLock : IDisposable
{
    private const string Name = ".lock";
    private const int Tries = 20;

    /// <summary>More than it ever holds.</summary>
    private const int Longest = 100_000;

    private readonly string _path;
    private readonly FileStream _file;
    private readonly List<string> _lines;

    private RunLock(string path, FileStream file)
    {
        (_path, _file) = (path, file);
        var before = ReadLines(file.SafeFileHandle);
        var begun = before.Skip(1).ToLookup(name => IsOf(before[0], name));
        (LeftBehind, Doubtful) = ([.. begun[true]], [.. begun[false]]);
        var since = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        _lines =
        [
            $"process {Environment.ProcessId} on {Environment.MachineName}, since {since}, {Guid.NewGuid():N}",
            .. before.Skip(1),
        ];
        Write();
    }

    /// <summary>Names of the files that the process had begun that held the lock and was killed.</summary>
    public IReadOnlyList<string> LeftBehind { get; }

    /// <summary>Names that were left too and are not of that process, or were there before it was.</summary>
    public IReadOnlyList<string> Doubtful { get; }

    /// <summary>Whether another process has put its lock in this one's place, which means that the folder is another.
    /// </summary>
    public bool IsLost => File.Exists(_path) && !OperatingSystem.IsWindows() && ReadLines(_path)[0] != _lines[0];

    /// <exception cref="RequestException">Another process has it.</exception>
    public static RunLock Take(string folder)
    {
        var path = Path.Combine(folder, Name);
        for (var tries = 0; ; tries++)
        {
            FileStream file;
            try
            {
                file = RegularFile.Open(path, FileShare.None);
            }
            catch (IOException) when (tries < Tries)
            {
                // Whoever opens it a moment before its holder lets it go has it for that moment.
                if (tries < 3 || !File.Exists(path))
                {
                    Thread.Sleep(50);
                    continue;
                }
                var holder = ReadLines(path)[0].Split(',')[0] is { Length: > 0 } named ? named : "another process";
                throw new RequestException(
                    $"'{folder}' is being written by {Quoted.Plain(holder, 80)}: wait until it is done, or end it"
                );
            }
            var taken = new RunLock(path, file);
            // Opened before the last holder took the file away, it would be a lock on nothing.
            if (OperatingSystem.IsWindows() || ReadLines(path)[0] == taken._lines[0])
                return taken;
            taken._file.Dispose();
            if (tries >= Tries)
                throw new WorkException($"'{path}' cannot be held: other processes keep taking it away");
        }
    }

    /// <summary>A file is about to be written that no saved state knows of.</summary>
    public void Note(string name)
    {
        _lines.Add(name);
        Write();
    }

    public void Dispose()
    {
        // While it is held: afterwards it may be another's.
        if (_file.CanWrite && File.Exists(_path) && !IsLost)
            Leftover.Delete(_path);
        _file.Dispose();
    }

    /// <summary>Whether a lock's first line is of the process that began a log.</summary>
    private static bool IsOf(string holder, string log) =>
        Holder().Match(holder) is { Success: true } it
        && EventFile.IsBegunBy(log, it.Groups[2].Value, it.Groups[1].Value, long.Parse(it.Groups[3].Value));

    [GeneratedRegex(@"^process ([0-9]{1,10}) on ([^,]+), since ([0-9]{1,12}), [0-9a-f]{32}$")]
    private static partial Regex Holder();

    private void Write()
    {
        _file.SetLength(0);
        _file.Write(Encoding.UTF8.GetBytes(string.Join('\n', _lines)));
        _file.Flush();
    }

    /// <summary>Reads what the file says without asking for the lock, which .NET would do.</summary>
    private static string[] ReadLines(string path)
    {
        if (OperatingSystem.IsWindows())
            return [""];
        using var file = new SafeFileHandle(open(path, flags: 0), ownsHandle: true);
        return file.IsInvalid ? [""] : ReadLines(file);
    }

    private static string[] ReadLines(SafeFileHandle file)
    {
        try
        {
            var bytes = new byte[Longest];
            return Encoding.UTF8.GetString(bytes, 0, RandomAccess.Read(file, bytes, 0)).Split('\n');
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            return [""];
        }
    }

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int open(string path, int flags);
}
