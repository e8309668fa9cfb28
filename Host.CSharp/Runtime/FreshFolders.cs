namespace Hybrid.Host.Runtime;

/// <summary>
/// Folders that are about to be made on the way to some place, so that work that comes to nothing can take them away
/// again.
/// </summary>
public sealed class FreshFolders
{
    private readonly List<DirectoryInfo> _missing = [];

    private FreshFolders() { }

    /// <summary>Notes which of a folder and its parents are not there yet.</summary>
    public static FreshFolders Before(string place)
    {
        var fresh = new FreshFolders();
        for (
            var folder = new DirectoryInfo(Path.GetFullPath(place));
            folder is { Exists: false };
            folder = folder.Parent
        )
            fresh._missing.Add(folder);
        return fresh;
    }

    /// <summary>Removes those that are empty, innermost first.</summary>
    public void RemoveEmpty()
    {
        foreach (var folder in _missing)
        {
            folder.Refresh();
            if (folder.Exists && !folder.EnumerateFileSystemInfos().Any())
                folder.Delete();
        }
    }
}
