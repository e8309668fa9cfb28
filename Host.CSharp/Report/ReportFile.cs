using Hybrid.Host.Runtime;

namespace Hybrid.Host.Report;

/// <summary>A report beside what it tells of.</summary>
public static class ReportFile
{
    /// <summary>The file's name, in a run's folder and in the folder of a comparison's runs.</summary>
    public const string Name = "report.html";

    /// <summary>Writes a report, or says why that failed: the work it tells of is worth more than the report,
    /// whatever is wrong with that.</summary>
    /// <param name="write">Writes the file at the path it is given; false where there is nothing to tell.</param>
    /// <returns>The file's path; null where there is none.</returns>
    public static string? TryWrite(string folder, Output output, Func<string, bool> write)
    {
        var path = Path.Combine(folder, Name);
        try
        {
            return write(path) ? path : null;
        }
        catch (Exception error)
        {
            output.Warning($"'{path}' was not written: {error.Message}");
            return null;
        }
    }
}
