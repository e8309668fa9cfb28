using System.Text;

namespace Hybrid.Host.Runtime;

/// <summary>Hands on what is written, line by line.</summary>
internal sealed class LineListener(Action<string> told) : TextWriter
{
    private readonly StringBuilder _line = new();

    public override Encoding Encoding => Encoding.UTF8;

    public override void Write(char value)
    {
        if (value == '\n')
        {
            var line = _line.ToString().TrimEnd('\r');
            _line.Clear();
            told(line);
        }
        else
            _line.Append(value);
    }
}
