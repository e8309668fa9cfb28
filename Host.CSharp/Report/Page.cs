using System.Text;
using Hybrid.Host.Checkpoints;

namespace Hybrid.Host.Report;

/// <summary>One part of a page, under a heading that can be linked to.</summary>
/// <param name="Id">Its name in links.</param>
/// <param name="Note">A sentence on how to read it; may be empty.</param>
public sealed record Section(string Id, string Title, string Note, Html Body);

/// <summary>A page in one file: it opens from a disk and asks no network for anything.</summary>
public static class Page
{
    /// <summary>Writes the file as a whole or not at all.</summary>
    /// <exception cref="Runtime.WorkException">It cannot be written.</exception>
    public static void Write(string path, string title, Html lead, IReadOnlyList<Section> sections)
    {
        var page = Html.Of(
            $$"""
            <!doctype html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta name="color-scheme" content="light dark">
            <meta name="generator" content="Hybrid">
            <title>{{title}}</title>
            <link rel="icon" href="data:,">
            <style>
            {{Html.Trusted(Style)}}</style>
            </head>
            <body>
            <header>
            <h1>{{title}}</h1>
            {{lead}}
            </header>
            <nav aria-label="Parts of this report">{{sections.Select(Link)}}</nav>
            <main>
            {{sections.Select(Whole)}}</main>
            </body>
            </html>

            """
        );
        AtomicFile.Write(path, stream => stream.Write(Encoding.UTF8.GetBytes(page.ToString())));
    }

    /// <summary>Figures side by side, each under its name.</summary>
    public static Html Tiles(IEnumerable<(string Name, string Value, string Note)> tiles) =>
        Html.Of($"""<dl class="tiles">{tiles.Select(it => Tile(it.Name, it.Value, it.Note))}</dl>""");

    private static Html Tile(string name, string value, string note) =>
        Html.Of($"""<div><dt>{name}</dt><dd>{value}<small>{note}</small></dd></div>""");

    private static Html Link(Section section) => Html.Of($"""<a href="#{section.Id}">{section.Title}</a>""");

    private static Html Whole(Section section)
    {
        var note = section.Note.Length > 0 ? Html.Of($"""<p class="note">{section.Note}</p>""") : Html.Empty;
        return Html.Of(
            $"""
            <section id="{section.Id}">
            <h2>{section.Title}</h2>
            {note}
            {section.Body}
            </section>

            """
        );
    }

    private static string Style { get; } = ReadStyle();

    private static string ReadStyle()
    {
        using var stream = typeof(Page).Assembly.GetManifestResourceStream("report.css")!;
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
