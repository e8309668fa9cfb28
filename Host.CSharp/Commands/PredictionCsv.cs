using System.Globalization;
using System.Text;
using Hybrid.Host.Checkpoints;
using Hybrid.Host.Runtime;

namespace Hybrid.Host.Commands;

/// <summary>Predictions as CSV (RFC 4180 but for its line ends): a row for each file, a class and its probability for
/// each rank. Control characters of names are shown as their codes; <c>--json</c> has them as they are.</summary>
public static class PredictionCsv
{
    /// <param name="target">The file, replaced as a whole; a pipe or a device, written into; <c>-</c> for stdout.</param>
    /// <exception cref="WorkException">It cannot be written.</exception>
    /// <exception cref="OperationCanceledException">Interrupted while nobody read the pipe.</exception>
    public static void Write(string target, IReadOnlyList<PredictedFile> rows)
    {
        var text = Text(rows);
        if (target == "-")
            Console.Out.Write(text);
        else if (ReplacedFile.HasNothingToKeep(target))
            WriteInto(target, Encoding.UTF8.GetBytes(text));
        else
            AtomicFile.Write(target, stream => stream.Write(Encoding.UTF8.GetBytes(text)));
    }

    private static void WriteInto(string target, byte[] bytes)
    {
        try
        {
            // To open a pipe is to wait for whoever reads it, which nothing but the end of the process ends.
            var opened = Task.Run(() =>
                new FileStream(target, FileMode.Open, FileAccess.Write, FileShare.ReadWrite, 0)
            );
            opened.Wait(Interrupt.Token);
            using var stream = opened.Result;
            stream.Write(bytes);
        }
        catch (Exception error) when (error.GetBaseException() is IOException or UnauthorizedAccessException)
        {
            throw new WorkException($"{target}: cannot be written: {error.GetBaseException().Message}", error);
        }
    }

    private static string Text(IReadOnlyList<PredictedFile> rows)
    {
        var ranks = Enumerable.Range(1, rows[0].Classes.Count);
        var text = new StringBuilder();
        text.Append("file").AppendJoin("", ranks.Select(rank => $",class_{rank},probability_{rank}")).Append('\n');
        foreach (var row in rows)
        {
            var cells = row.Classes.Zip(
                row.Probabilities,
                (name, p) => $",{Quoted(name)},{p.ToString("R", CultureInfo.InvariantCulture)}"
            );
            text.Append(Quoted(row.File)).AppendJoin("", cells).Append('\n');
        }

        return text.ToString();
    }

    private static string Quoted(string name)
    {
        var cell = Printable.Line(name);
        // Spreadsheets would work such a cell out as a formula; an apostrophe before it makes it text for them.
        var text = name.Length > 0 && "=+-@\t\r".Contains(name[0]) ? $"'{cell}" : cell;
        return text == cell && text.AsSpan().IndexOfAny(",\"") < 0 ? text : $"\"{text.Replace("\"", "\"\"")}\"";
    }
}
