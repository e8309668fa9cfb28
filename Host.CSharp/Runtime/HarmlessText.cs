using Spectre.Console;
using Spectre.Console.Rendering;

namespace Hybrid.Host.Runtime;

/// <summary>Everything that a console renders, through <see cref="Printable"/>: tables and bars show names from files
/// too. What the console itself says to the terminal (colours, the cursor of a bar) is left as it is.</summary>
internal sealed class HarmlessText : IRenderHook
{
    public IEnumerable<IRenderable> Process(RenderOptions options, IEnumerable<IRenderable> renderables) =>
        renderables.Select(it => new Cleaned(it));

    private sealed class Cleaned(IRenderable inner) : IRenderable
    {
        public Measurement Measure(RenderOptions options, int maxWidth) => inner.Measure(options, maxWidth);

        public IEnumerable<Segment> Render(RenderOptions options, int maxWidth) =>
            inner
                .Render(options, maxWidth)
                .Select(it => it.IsControlCode || it.IsLineBreak ? it : new Segment(Printable.Line(it.Text), it.Style));
    }
}
