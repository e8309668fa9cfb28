using Hybrid.Host.Runtime;

namespace Hybrid.Host.Checkpoints;

/// <summary>The checkpoint that a run's folder stands for where a file is expected.</summary>
internal static class RunCheckpoint
{
    private const string Best = "epoch=*.safetensors";

    /// <param name="place">As <c>--checkpoint</c> names it.</param>
    /// <param name="say">Told which file was taken.</param>
    /// <returns>The best checkpoint of the run whose folder it is; what is no run's folder as it is.</returns>
    /// <exception cref="RequestException">The run keeps several, or the folder holds runs.</exception>
    public static string Of(string place, Action<string> say)
    {
        if (!Directory.Exists(place))
            return place;
        try
        {
            var inside = Path.Combine(place, "checkpoints");
            var folder = Directory.Exists(inside) ? inside : place;
            string[] found = [.. Directory.EnumerateFiles(folder, Best).Order(StringComparer.Ordinal)];
            if (found.Length > 1)
                throw new RequestException(
                    $"'{place}' holds {found.Length:N0} checkpoints: name one, such as {found[0]} or {found[^1]}"
                );
            if (found is [var one])
            {
                say($"'{place}' is a run's folder: its best checkpoint is taken, {one}");
                return one;
            }
            if (Directory.EnumerateDirectories(place, "version_*").MaxBy(Directory.GetLastWriteTimeUtc) is { } run)
                throw new RequestException($"'{place}' holds runs: name one of them, such as {run}");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // Whoever opens it says the same.
        }
        return place;
    }
}
