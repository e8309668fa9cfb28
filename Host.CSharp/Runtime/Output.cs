using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Hybrid.Host.Runtime;

/// <summary>Where a command speaks: to people on <see cref="People"/>, to programs by one line of JSON.</summary>
public sealed class Output
{
    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        // Names of classes and files stay readable; the line is never put into a web page.
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    private const int Endless = 100_000;

    private readonly bool _json;

    /// <param name="json">People are spoken to on stderr, so that stdout holds nothing but the result.</param>
    public Output(bool json)
    {
        _json = json;
        var writer = json ? Console.Error : Console.Out;
        Live = json ? !Console.IsErrorRedirected : !Console.IsOutputRedirected;
        People = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(writer) });
        People.Pipeline.Attach(new HarmlessText());
        // Nothing reads a file or a pipe in columns: a line that is broken there can't be searched for.
        if (!Live)
            People.Profile.Width = Endless;
    }

    /// <summary>For a program that speaks to its people itself: nothing goes to the console.</summary>
    /// <param name="told">Is told each line; null for nobody.</param>
    internal Output(Action<string>? told)
    {
        People = AnsiConsole.Create(
            new AnsiConsoleSettings
            {
                Ansi = AnsiSupport.No,
                Interactive = InteractionSupport.No,
                Out = new AnsiConsoleOutput(told is null ? TextWriter.Null : new LineListener(told)),
            }
        );
        People.Pipeline.Attach(new HarmlessText());
        People.Profile.Width = Endless;
    }

    public IAnsiConsole People { get; }

    /// <summary>Whether people watch a terminal, where bars may move.</summary>
    public bool Live { get; }

    /// <summary>A line of plain text. The program never breaks it in two, so that the paths in it can be copied.</summary>
    public void Line(string text) => People.Profile.Out.Writer.WriteLine(Printable.Line(text));

    /// <summary>A table with names of files: its rows are whole, also where a terminal has to break them.</summary>
    public void Unbroken(IRenderable table)
    {
        var width = People.Profile.Width;
        People.Profile.Width = Endless;
        People.Write(table);
        People.Profile.Width = width;
    }

    /// <summary>A line about something that the work goes on without.</summary>
    public void Warning(string text) => Line($"warning: {text}");

    /// <summary>The result of the command, if a program asked for it.</summary>
    public void Result(object result)
    {
        if (_json)
            Console.Out.WriteLine(Printable.Json(JsonSerializer.Serialize(result, Json)));
    }

    /// <summary>A share as people read it.</summary>
    public static string Percent(double share) => double.IsFinite(share) ? $"{share * 100:F2}%" : "-";
}
