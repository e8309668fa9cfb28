using Hybrid.Host.Runtime;

namespace Hybrid.Host.Data;

/// <summary>
/// Which folders inside a data set's folder are its parts. A part may be called by any of its usual names, in any case.
/// </summary>
/// <param name="Train">Null where there is none, which only testing bears.</param>
/// <param name="Val">Null where there is none.</param>
/// <param name="Test">Null where there is none.</param>
/// <param name="Bare">There are no parts: the classes lie in the folder itself, which is <paramref name="Train"/>.</param>
/// <param name="Remarks">What is not read though it holds pictures.</param>
internal sealed record FolderLayout(string? Train, string? Val, string? Test, bool Bare, IReadOnlyList<string> Remarks)
{
    private static readonly string[] TrainNames = ["train", "training"];
    private static readonly string[] ValNames = ["val", "valid", "validation", "dev"];
    private static readonly string[] TestNames = ["test", "testing"];

    private const string Mend = "put the class folders into a folder train, and name the folder around it";

    /// <param name="root">A folder that is there.</param>
    /// <param name="testing">A part alone is enough.</param>
    /// <exception cref="RequestException">It can be read in more than one way, or in none.</exception>
    public static FolderLayout Of(string root, bool testing)
    {
        if (PictureTree.LeadingNowhere(root).FirstOrDefault(IsPart) is { } lost)
            throw new RequestException(
                $"'{Path.Combine(root, lost)}' is a link that leads nowhere: bring back what it leads to, or take it away"
            );
        var names = PictureTree.Subfolders(root);
        string At(string name) => Path.Combine(root, name);
        string? Part(string[] usual) => One(root, [.. names.Where(name => Among(usual, name))]);
        var loose = PictureTree.Files(root).Count(PictureFormat.IsNamed);
        string[] remarks =
            loose == 0
                ? []
                :
                [
                    $"{Counted.Of(loose, "picture")} right in '{root}' {(loose == 1 ? "is" : "are")} of no class: left out",
                ];
        if (ClassesByNamesOfParts(root, names) is { } taken)
            return new(root, null, null, Bare: true, [taken, .. remarks]);
        var (train, val, test) = (Part(TrainNames), Part(ValNames), Part(TestNames));
        string[] parts = [.. new[] { train, val, test }.OfType<string>()];
        string[] others = [.. names.Where(name => !parts.Contains(name)).Where(name => HoldsPicture(At(name)))];
        if (parts.Length == 0)
        {
            string[] wrapped = LayoutDoubts.Wrapped(root, others, testing) is { } doubt ? [doubt] : [];
            return new(root, null, null, Bare: true, [.. wrapped, .. LayoutDoubts.Bare(root, others), .. remarks]);
        }
        if (others.Length > 0 && (train is null || LooksLikeClass(At(train)) || Inside(At(train)).Count() == 1))
            throw new RequestException(
                $"'{root}' can be read in two ways: as the parts {Few(parts)}, or as classes, with {Few(others)} beside "
                    + $"them. Take away what is not meant, or {Mend}"
            );
        if (train is null && !testing)
            throw new RequestException(
                $"'{root}' has no train folder, and the classes are those of train. A folder of class folders is data to "
                    + $"train on by itself: folder:{At(val ?? test!)}"
            );
        remarks = [.. LayoutDoubts.Beside(root, train, others), .. remarks];
        string? Full(string? name) => name is null ? null : At(name);
        return new(Full(train), Full(val), Full(test), Bare: false, remarks);
    }

    /// <summary>Whether a folder holds pictures of its own and no folders of pictures.</summary>
    public static bool LooksLikeClass(string folder) =>
        PictureTree.HasPictureRightInside(folder) && !Inside(folder).Any();

    /// <summary>The first names, and how many there are.</summary>
    public static string Few(IReadOnlyList<string> names) =>
        string.Join(", ", names.Take(5)) + (names.Count > 5 ? $", … ({names.Count:N0})" : "");

    /// <summary>Folders of pictures inside a folder.</summary>
    public static IEnumerable<string> Inside(string folder) =>
        PictureTree.Subfolders(folder).Where(name => PictureTree.HasPicture(Path.Combine(folder, name)));

    private static bool Among(string[] usual, string name) => usual.Contains(name, StringComparer.OrdinalIgnoreCase);

    /// <summary>Whether a folder is called as a part of a set may be.</summary>
    public static bool IsPart(string name) =>
        Among(TrainNames, name) || Among(ValNames, name) || Among(TestNames, name);

    /// <summary>A class may be called train, dev or test: parts hold folders of classes. Where none of them does, and there are
    /// others, all are classes; but not where train is one of several, which is a set whose pictures have no labels.
    /// </summary>
    /// <returns>What there is to say then; else null.</returns>
    private static string? ClassesByNamesOfParts(string root, IReadOnlyList<string> names)
    {
        var holding = names.Where(name => HoldsPicture(Path.Combine(root, name))).ToLookup(IsPart);
        string[] named = [.. holding[true]];
        return
            named.Length > 0
            && holding[false].Any()
            && (named.Length == 1 || !named.Any(name => Among(TrainNames, name)))
            && named.All(name => LooksLikeClass(Path.Combine(root, name)))
            ? $"{Few([.. named.Select(name => $"'{Path.Combine(root, name)}'")])} "
                + $"{(named.Length == 1 ? "is taken as a class" : "are taken as classes")}, as are those beside "
                + (named.Length == 1 ? "it" : "them")
            : null;
    }

    private static string? One(string root, IReadOnlyList<string> found)
    {
        if (found.Count > 1)
            found = [.. found.Where(name => HoldsPicture(Path.Combine(root, name)))];
        return found.Count <= 1
            ? found.FirstOrDefault()
            : throw new RequestException(
                $"'{root}' has {string.Join(" and ", found.Select(name => $"'{name}'"))}, which are names of the same part: "
                    + "put their pictures together, or take away one of them"
            );
    }

    /// <summary>What cannot be looked into is not ours to read.</summary>
    private static bool HoldsPicture(string folder)
    {
        try
        {
            return PictureTree.HasPicture(folder);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}
