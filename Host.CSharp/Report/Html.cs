using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Unicode;

namespace Hybrid.Host.Report;

/// <summary>
/// A piece of a page. Made from an interpolated string: its literal parts are markup, what is put in is text and is
/// encoded, unless it is <see cref="Html"/> itself. So a stranger's name can nowhere become markup, also not inside an
/// attribute's quotes.
/// </summary>
public readonly record struct Html
{
    private readonly string? _markup;

    private Html(string markup) => _markup = markup;

    public static Html Empty => default;

    public static Html Of(ref Builder text) => new(text.ToString());

    /// <summary>What is markup already and comes from no stranger, such as an SVG that was made here.</summary>
    public static Html Trusted(string markup) => new(markup);

    public override string ToString() => _markup ?? "";

    [InterpolatedStringHandler]
    public ref struct Builder(int literalLength, int formattedCount)
    {
        private static readonly HtmlEncoder Encoder = HtmlEncoder.Create(UnicodeRanges.All);
        private readonly StringBuilder _text = new(literalLength + 16 * formattedCount);

        public readonly void AppendLiteral(string markup) => _text.Append(markup);

        public readonly void AppendFormatted(Html piece) => _text.Append(piece._markup);

        public readonly void AppendFormatted(IEnumerable<Html> pieces) => _text.AppendJoin("", pieces);

        public readonly void AppendFormatted(string? text) => _text.Append(Encoder.Encode(text ?? ""));

        public readonly void AppendFormatted<T>(T value, string? format = null)
            where T : IFormattable => AppendFormatted(value.ToString(format, CultureInfo.InvariantCulture));

        public override readonly string ToString() => _text.ToString();
    }
}
