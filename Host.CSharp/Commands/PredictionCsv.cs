using System.Globalization;
using System.Text;
using Hybrid.Host.Checkpoints;

namespace Hybrid.Host.Commands;

/// <summary>Predictions as CSV (RFC 4180 but for its line ends): a row for each file, a class and its probability for
/// each rank.</summary>
public static class PredictionCsv
{
    /// <param name="target">The file, replaced as a whole; <c>-</c> for stdout.</param>
    /// <exception cref="Runtime.WorkException">It cannot be written.</exception>
    public static void Write(string target, IReadOnlyList<PredictedFile> rows)
    {
        var text = Text(rows);
        if (target == "-")
            Console.Out.Write(text);
        else
            AtomicFile.Write(target, stream => stream.Write(Encoding.UTF8.GetBytes(text)));
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

    private static string Quoted(string cell)
    {
        // Spreadsheets would work such a cell out as a formula; an apostrophe before it makes it text for them.
        var text = cell.Length > 0 && "=+-@\t\r".Contains(cell[0]) ? $"'{cell}" : cell;
        return text == cell && text.AsSpan().IndexOfAny(",\"\r\n") < 0 ? text : $"\"{text.Replace("\"", "\"\"")}\"";
    }
}
