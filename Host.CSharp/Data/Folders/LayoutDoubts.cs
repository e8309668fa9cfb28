using System.Text.RegularExpressions;
using Hybrid.Host.Runtime;

namespace Hybrid.Host.Data;

/// <summary>
/// Layouts that can be read and are probably not meant so: a folder around the set, parts of other names, parts inside
/// classes. What would train on the wrong thing is refused; the rest is said.
/// </summary>
internal static partial class LayoutDoubts
{
    /// <summary>Where a folder holds nothing but one folder with the set in it.</summary>
    /// <param name="others">Names of the folders of pictures in <paramref name="root"/>, of which none is a part.</param>
    /// <param name="testing">One class alone can be meant.</param>
    /// <returns>What there is to say; null for nothing.</returns>
    /// <exception cref="RequestException">The set is the folder inside.</exception>
    public static string? Wrapped(string root, IReadOnlyList<string> others, bool testing)
    {
        if (others is not [var only] || Innermost(Path.Combine(root, only)) is not { } inner)
            return null;
        var inside = FolderLayout.Inside(inner).ToList();
        if (inside.Count < 2 && !inside.Any(FolderLayout.IsPart))
            return null;
        var meant = $"'{root}' holds one folder of pictures, '{only}', and {FolderLayout.Few(inside)} are in '{inner}'";
        return testing && !inside.Any(FolderLayout.IsPart)
            ? $"{meant}: '{only}' is taken as the class. If {FolderLayout.Few(inside)} are the classes, name folder:{inner}"
            : throw new RequestException($"{meant}: did you mean folder:{inner}?");
    }

    /// <summary>Where classes look like parts, or have parts inside.</summary>
    /// <param name="classes">Names of the folders of pictures in <paramref name="root"/>.</param>
    /// <exception cref="RequestException">They are parts by other names.</exception>
    public static IEnumerable<string> Bare(string root, IReadOnlyList<string> classes)
    {
        var inside = classes.ToDictionary(
            name => name,
            name =>
                Innermost(Path.Combine(root, name)) is { } inner
                    ? FolderLayout.Inside(inner).ToList()
                    : (IReadOnlyList<string>)[]
        );
        var halves = classes.Where(name => inside[name].Any(FolderLayout.IsPart)).ToList();
        if (halves.Count > 0)
            return
            [
                $"the {(halves.Count == 1 ? "class" : "classes")} {FolderLayout.Few(halves)} in '{root}' "
                    + $"{(halves.Count == 1 ? "has" : "have")} folders such as {inside[halves[0]].First(FolderLayout.IsPart)} inside, "
                    + "whose pictures are read together: parts lie around classes, as in train/CLASS/FILE",
            ];
        // Of a fold a single class may have been left.
        string[] folds = [.. classes.Where(name => Fold().IsMatch(name))];
        if (folds.Length > 1 && folds.All(name => FolderLayout.Inside(Path.Combine(root, name)).Any()))
            throw new RequestException(
                $"{FolderLayout.Few(folds)} in '{root}' look like the folds of a cross-validation and would be taken as its "
                    + "classes: put those to train on into a folder train, and the one to validate on into val"
            );
        foreach (var name in classes.Where(name => TrainInside().IsMatch(name)))
            if (classes.Where(it => it != name && inside[it].Intersect(inside[name]).Any()).ToList() is [var other, ..])
                throw new RequestException(
                    $"'{name}' and '{other}' in '{root}' both hold {FolderLayout.Few([.. inside[name].Intersect(inside[other])])}: "
                        + "they look like parts of a set and would be taken as its classes. Call them train, val or test"
                );
        if (AlikeButForThePart(classes) is { } pair)
            throw new RequestException(
                $"'{pair.Train}' and '{pair.Other}' in '{root}' look like parts of a set and would be taken as its classes. "
                    + "Call them train, val or test, with a folder of each class inside"
            );
        if (
            classes.Count > 1
            && classes.All(it => inside[it].Count > 1 && inside[it].SequenceEqual(inside[classes[0]]))
        )
            return
            [
                $"the classes {FolderLayout.Few(classes)} in '{root}' all hold {FolderLayout.Few(inside[classes[0]])}: "
                    + "if they are parts of a set, call them train, val or test",
            ];
        return [];
    }

    /// <summary>What is beside train, of another name than a part has.</summary>
    /// <param name="others">Names of folders of pictures.</param>
    public static IEnumerable<string> Beside(string root, string? train, IReadOnlyList<string> others)
    {
        string At(string name) => Path.Combine(root, name);
        string[] classes = train is null ? [] : [.. FolderLayout.Inside(At(train))];
        var alike = others
            .Select(name => (Name: name, Shared: FolderLayout.Inside(At(name)).Intersect(classes).ToList()))
            .Where(it => it.Shared.Count > 0)
            .ToList();
        foreach (var (name, shared) in alike)
            yield return $"'{At(name)}' holds pictures of train's classes ({FolderLayout.Few(shared)}) and is not read: "
                + $"'hybrid test --data folder:{At(name)}' tests on it, and a part of the set is called val or test";
        if (others.Except(alike.Select(it => it.Name)).ToList() is { Count: > 0 } rest)
            yield return $"{FolderLayout.Few([.. rest.Select(name => $"'{At(name)}'")])}: holds pictures and is not read: it is "
                + "none of train, val and test";
    }

    /// <summary>Refuses links by which pictures would be of two classes, or both learnt and tested on.</summary>
    /// <param name="train">Null where there is none.</param>
    /// <param name="others">The other parts.</param>
    /// <exception cref="RequestException">There is one.</exception>
    public static void RefuseTwice(string? train, IEnumerable<string> others)
    {
        if (train is null)
            return;
        var learnt = PictureTree.Real(train);
        if (others.FirstOrDefault(part => PictureTree.Real(part) == learnt) is { } same)
            throw new RequestException($"'{same}' and '{train}' are one folder: what is learnt would be tested on");
        string[] folders = [.. PictureTree.Subfolders(train).Select(name => Path.Combine(train, name))];
        var learntIn = folders.ToLookup(PictureTree.Real);
        foreach (var part in others)
        foreach (var folder in PictureTree.Subfolders(part).Select(name => Path.Combine(part, name)))
            if (learntIn[PictureTree.Real(folder)].FirstOrDefault() is { } twice)
                throw new RequestException(
                    $"'{folder}' and '{twice}' are one folder: what is learnt would be tested on. Take the link away"
                );
        foreach (var link in folders.Where(folder => new DirectoryInfo(folder).LinkTarget is not null))
        {
            var real = PictureTree.Real(link);
            if (folders.FirstOrDefault(it => it != link && Holds(real, PictureTree.Real(it))) is { } other)
                throw new RequestException(
                    $"'{link}' is a link by which the pictures of '{other}' would be of two classes: take the link away"
                );
        }
    }

    private static bool Holds(string outer, string inner) =>
        inner == outer
        || inner.StartsWith(
            Path.TrimEndingDirectorySeparator(outer) + Path.DirectorySeparatorChar,
            StringComparison.Ordinal
        );

    /// <summary>Classes that a person, and some file systems, would take for one.</summary>
    public static IEnumerable<string> Alike(string folder, IReadOnlyList<string> classes) =>
        from names in classes.GroupBy(AlikeNames.Plain)
        from first in names.Index()
        from second in names.Skip(first.Index + 1)
        where AlikeNames.AreAlike(first.Item, second)
        select $"'{first.Item}' and '{second}' in '{folder}' differ only in case or in how accents are written, and are classes of "
            + "their own: put their pictures together if one is meant";

    /// <summary>Words on a class whose name looks like this one, for the end of a message; else none.</summary>
    public static string Near(string name, IEnumerable<string> classes) =>
        classes.FirstOrDefault(it => AlikeNames.AreAlike(it, name)) is { } near
            ? $"; '{name}' differs from '{near}' only in case or in how accents are written: rename one"
            : "";

    /// <summary>The first folder on the way inside that holds more than a single folder; null where pictures come
    /// first.</summary>
    private static string? Innermost(string folder)
    {
        while (!PictureTree.HasPictureRightInside(folder))
        {
            var inside = FolderLayout.Inside(folder).Take(2).ToList();
            if (inside is not [var only] || FolderLayout.IsPart(only))
                return inside.Count > 0 ? folder : null;
            folder = Path.Combine(folder, only);
        }

        return null;
    }

    /// <summary>Two names that differ in the word for the part alone, as train_images and test_images.</summary>
    private static (string Train, string Other)? AlikeButForThePart(IReadOnlyList<string> names)
    {
        var rest = names.ToLookup(name => PartInside().Replace(name, "*").ToUpperInvariant());
        foreach (var train in names.Where(name => TrainInside().IsMatch(name)))
            if (
                rest[PartInside().Replace(train, "*").ToUpperInvariant()]
                    .FirstOrDefault(it => !TrainInside().IsMatch(it)) is
                { } other
            )
                return (train, other);
        return null;
    }

    private const string Behind = "(?=(sets?|data|folder|dir|images?|imgs?|pictures?|photos?|samples)?(?![a-z]))";

    /// <summary>As in training_set, trainset and seg_train, and not in trainers or constraint.</summary>
    [GeneratedRegex("(?<![a-z])train(ing)?" + Behind, RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex TrainInside();

    [GeneratedRegex(
        "(?<![a-z])(train(ing)?|val(id(ation)?)?|dev|test(ing)?|eval(uation)?)" + Behind,
        RegexOptions.IgnoreCase | RegexOptions.CultureInvariant
    )]
    private static partial Regex PartInside();

    /// <summary>Parts of a cross-validation, as fold_1.</summary>
    [GeneratedRegex(
        "^(cv|folds?|k-?fold|splits?)[ _-]?[0-9]+$",
        RegexOptions.IgnoreCase | RegexOptions.CultureInvariant
    )]
    private static partial Regex Fold();
}
