using Hybrid.Host.Runtime;

namespace Hybrid.Host.Data;

/// <summary>What lies in a folder and below it, as far as pictures go. Links are followed, as torchvision follows them;
/// a folder that was seen already is not entered again, so that links which lead back end the walk.</summary>
internal static class PictureTree
{
    /// <summary>Folders that programs leave beside pictures of their own accord; hidden ones are skipped as well.</summary>
    private static readonly string[] ClutterFolders = ["__MACOSX", "@eaDir", "$RECYCLE.BIN", "lost+found"];

    private static readonly string[] ClutterFiles = ["Thumbs.db", "desktop.ini"];

    /// <summary>Names of the folders right inside, in ordinal order. Hidden ones and clutter are nobody's classes.
    /// </summary>
    /// <exception cref="RequestException">A name is no text, so that what is in the folder cannot be come to.</exception>
    public static IReadOnlyList<string> Subfolders(string folder)
    {
        string[] names =
        [
            .. Directory
                .EnumerateDirectories(folder)
                .Select(path => Path.GetFileName(path))
                .Where(name => !name.StartsWith('.'))
                .Where(name => !ClutterFolders.Contains(name, StringComparer.OrdinalIgnoreCase))
                .Order(StringComparer.Ordinal),
        ];
        return names.FirstOrDefault(name => IsLost(Path.Combine(folder, name))) is { } lost
            ? throw new RequestException(
                $"a folder in '{folder}' has a name that is no UTF-8 text, '{lost}': rename it, or take it away"
            )
            : names;
    }

    /// <summary>Whether a path that was found leads nowhere because bytes of a name that are no UTF-8 were lost.</summary>
    public static bool IsLost(string path) => path.Contains('\uFFFD') && !Path.Exists(path) && !IsLinkToNothing(path);

    /// <summary>Files right inside, in ordinal order; hidden ones and clutter left out.</summary>
    public static IEnumerable<string> Files(string folder) =>
        Directory
            .EnumerateFiles(folder)
            .Where(path => !Path.GetFileName(path).StartsWith('.'))
            .Where(path => !ClutterFiles.Contains(Path.GetFileName(path), StringComparer.OrdinalIgnoreCase))
            .Order(StringComparer.Ordinal);

    /// <summary>Names of the links right inside that lead nowhere and were no pictures: folders of a disk that is not
    /// there, most often.</summary>
    public static IReadOnlyList<string> LeadingNowhere(string folder) =>
        [
            .. Files(folder)
                .Where(path => !PictureFormat.IsNamed(path) && IsLinkToNothing(path))
                .Select(path => Path.GetFileName(path)),
        ];

    private static bool IsLinkToNothing(string path) =>
        new FileInfo(path).LinkTarget is not null && !Target(path).Exists && !Directory.Exists(path);

    /// <summary>The file that a path leads to at last; itself where it is no link, or one that leads in a circle.</summary>
    public static FileInfo Target(string path)
    {
        var file = new FileInfo(path);
        try
        {
            return file.ResolveLinkTarget(returnFinalTarget: true) as FileInfo ?? file;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return file;
        }
    }

    /// <summary>Files in a folder and in those inside it, folder by folder: the folders in ordinal order of their paths,
    /// which is torchvision's.</summary>
    public static IEnumerable<string> FilesBelow(string folder) =>
        Folders(folder).Order(StringComparer.Ordinal).SelectMany(Files);

    /// <summary>Whether there is a picture, by its name, in a folder or below it.</summary>
    public static bool HasPicture(string folder) => Folders(folder).Any(HasPictureRightInside);

    /// <summary>Whether there is a picture, by its name, right inside a folder.</summary>
    public static bool HasPictureRightInside(string folder) =>
        Directory.EnumerateFiles(folder).Any(PictureFormat.IsNamed);

    /// <summary>The folder itself and all that can be come to from it.</summary>
    private static IEnumerable<string> Folders(string folder)
    {
        // Nor those around it: a link back would bring other classes' pictures into this one.
        var seen = new HashSet<string>(StringComparer.Ordinal);
        for (
            var around = Path.GetDirectoryName(Real(folder));
            around is not null;
            around = Path.GetDirectoryName(around)
        )
            seen.Add(around);
        var next = new Stack<string>([folder]);
        while (next.TryPop(out var path))
        {
            if (!seen.Add(Real(path)))
                continue;
            yield return path;
            foreach (var name in Subfolders(path).Reverse())
                next.Push(Path.Combine(path, name));
        }
    }

    /// <summary>A folder's one path without links, so that it is known again however it was come to.</summary>
    public static string Real(string path)
    {
        var real = Path.GetPathRoot(path)!;
        foreach (
            var name in path[real.Length..].Split(Path.DirectorySeparatorChar, StringSplitOptions.RemoveEmptyEntries)
        )
        {
            var here = new DirectoryInfo(Path.Combine(real, name));
            var target = here.LinkTarget is null ? null : here.ResolveLinkTarget(returnFinalTarget: true);
            // What a link names may have links on its own way.
            real = target is null ? here.FullName : Real(target.FullName);
        }

        return real;
    }
}
