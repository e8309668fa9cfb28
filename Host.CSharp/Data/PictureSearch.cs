using Hybrid.Host.Runtime;

namespace Hybrid.Host.Data;

/// <summary>The picture files that a list of files and folders means.</summary>
public static class PictureSearch
{
    /// <summary>A file is meant whatever its name; a folder means all pictures in it and in the folders inside it, in
    /// ordinal order. Links to folders are not followed.</summary>
    /// <exception cref="RequestException">Something is not there, or a folder has no picture.</exception>
    public static IReadOnlyList<string> Find(IEnumerable<string> places) => [.. places.SelectMany(Find)];

    private static IReadOnlyList<string> Find(string place)
    {
        if (File.Exists(place))
            return [place];
        if (!Directory.Exists(place))
            throw new RequestException($"there is no file or folder '{place}'");
        try
        {
            var found = Below(new DirectoryInfo(place), place).ToList();
            return found.Count > 0
                ? found
                : throw new RequestException($"'{place}' holds no picture ({PictureFormat.Named})");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new RequestException($"'{place}' cannot be looked through: {error.Message}");
        }
    }

    private static IEnumerable<string> Below(DirectoryInfo folder, string shown)
    {
        foreach (var entry in folder.EnumerateFileSystemInfos().OrderBy(entry => entry.Name, StringComparer.Ordinal))
        {
            var path = Path.Combine(shown, entry.Name);
            if (entry is not DirectoryInfo inner)
            {
                if (PictureFormat.IsNamed(path))
                    yield return path;
            }
            else if (PictureTree.IsLost(path))
                throw new RequestException(
                    $"a folder in '{shown}' has a name that is no UTF-8 text, '{entry.Name}': rename it, or take it away"
                );
            else if (inner.LinkTarget is null && !inner.Name.StartsWith('.'))
                foreach (var file in Below(inner, path))
                    yield return file;
        }
    }
}
