using System.Text.Json.Nodes;

namespace Hybrid.Host.Callbacks;

/// <summary>A callback that remembers something, and so has to be put back when a run is taken up again.</summary>
public interface IStateful
{
    /// <summary>The name under which its memory is stored; one a kind of callback.</summary>
    string Name { get; }

    JsonObject Save();

    /// <summary>Puts back what <see cref="Save"/> gave; whatever came later is undone.</summary>
    void Restore(JsonObject saved);
}
