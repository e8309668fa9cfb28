using System.Diagnostics;
using System.Globalization;
using Hybrid.Host.Runtime;

namespace Hybrid.Host.Bench;

/// <summary>A process that measures, as its parent sees it.</summary>
public sealed class BenchProcess : IDisposable
{
    private readonly Process _process;

    /// <param name="greeting">Its first line: the version of its libtorch, and the device that it computes on.</param>
    private BenchProcess(string name, Process process, string greeting)
    {
        (Name, _process) = (name, process);
        (Version, Device) = greeting.Split(' ') is [var version, var device]
            ? (version, device)
            : throw new WorkException($"{name}: the process that measures began with '{greeting}'");
    }

    public string Name { get; }

    /// <summary>Of the libtorch that it runs.</summary>
    public string Version { get; }

    /// <summary>This program again, with these arguments.</summary>
    public static BenchProcess StartSelf(string name, IEnumerable<string> arguments)
    {
        var self = Environment.ProcessPath ?? throw new WorkException("this process does not know its own file");
        var assembly = typeof(BenchProcess).Assembly.Location;
        // Under `dotnet hybrid.dll` the process is the runtime's.
        var hosted = Path.GetFileNameWithoutExtension(self).Equals("dotnet", StringComparison.OrdinalIgnoreCase);
        return Start(name, self, hosted ? [assembly, .. arguments] : arguments, new Dictionary<string, string>());
    }

    /// <exception cref="WorkException">It does not start, or ends before it has answered.</exception>
    public static BenchProcess Start(
        string name,
        string file,
        IEnumerable<string> arguments,
        IReadOnlyDictionary<string, string> environment
    )
    {
        var start = new ProcessStartInfo(file, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        };
        foreach (var (key, value) in environment)
            start.Environment[key] = value;
        var process = Process.Start(start) ?? throw new WorkException($"{name}: '{file}' does not start");
        try
        {
            return new BenchProcess(name, process, Answer(name, process));
        }
        catch
        {
            process.Dispose();
            throw;
        }
    }

    /// <summary>What it computes on.</summary>
    public string Device { get; }

    /// <summary>One measurement of this length.</summary>
    public double Measure(string what, double seconds = 0)
    {
        Interrupt.Token.ThrowIfCancellationRequested();
        _process.StandardInput.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{what} {seconds}"));
        _process.StandardInput.Flush();
        return double.Parse(Answer(Name, _process), CultureInfo.InvariantCulture);
    }

    /// <summary>Closing its input ends it.</summary>
    public void Dispose()
    {
        _process.StandardInput.Close();
        if (!_process.WaitForExit(10_000))
            _process.Kill(entireProcessTree: true);
        _process.Dispose();
    }

    private static string Answer(string name, Process process) =>
        process.StandardOutput.ReadLine() ?? throw new WorkException($"{name}: the process that measures has ended");
}
