using Hybrid.Host.Runtime;

namespace Hybrid.Host.Data;

/// <summary>The picture files that a list of files and folders means.</summary>
public static class PictureSearch
{
    /// <summary>A file is meant whatever its name; a folder means all pictures in it and in the folders inside it, in
    /// ordinal order of folders and then of files. Links are followed, as where a set is trained on.</summary>
    /// <param name="warn">Told of pictures of other formats that a folder holds.</param>
    /// <exception cref="RequestException">Something is not there, or a folder has no picture.</exception>
    public static IReadOnlyList<string> Find(IEnumerable<string> places, Action<string>? warn = null) =>
        [.. places.SelectMany(place => Find(place, warn))];

    private static IReadOnlyList<string> Find(string place, Action<string>? warn)
    {
        if (File.Exists(place))
            return [place];
        if (!Directory.Exists(place))
            throw new RequestException($"there is no file or folder '{place}'");
        try
        {
            var files = PictureTree.FilesBelow(place).ToLookup(PictureFormat.IsNamed);
            string[] others = [.. files[false].Where(PictureFormat.IsOther)];
            var kinds = string.Join(", ", others.Select(Path.GetExtension).Distinct().Take(5));
            if (!files[true].Any())
                throw new RequestException(
                    $"'{place}' holds no picture ({PictureFormat.Named})"
                        + (
                            others.Length > 0
                                ? $", but {Counted.Of(others.Length, "file")} of other formats: {kinds}"
                                : ""
                        )
                );
            if (others.Length > 0)
                warn?.Invoke(
                    $"{Counted.Of(others.Length, "picture")} of formats that are not read ({kinds}) in '{place}', such as "
                        + $"'{others[0]}': left out"
                );
            return [.. files[true]];
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new RequestException($"'{place}' cannot be looked through: {error.Message}");
        }
    }
}
