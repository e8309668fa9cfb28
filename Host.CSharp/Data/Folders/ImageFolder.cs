using System.Security.Cryptography;
using System.Text;
using Hybrid.Host.Runtime;

namespace Hybrid.Host.Data;

/// <summary>
/// Pictures in folders: <c>DIR/{train,val,test}/CLASS/**/FILE</c>, val and test optional; without such folders
/// <c>DIR/CLASS/**/FILE</c> is all for training. Classes are the names of the training folders and files are read class
/// by class, both in ordinal order, which is torchvision's: labels come out the same.
/// </summary>
public sealed class ImageFolder
{
    // What people call a folder of pictures that have no labels, where a loader wants one folder around them.
    private static readonly string[] NoClass = ["test", "images", "unknown", "unlabelled", "unlabeled"];

    private readonly string _root;
    private readonly Output _output;
    private readonly bool _testing;
    private readonly bool _bare;
    private readonly PartReader _reader;

    /// <summary>Looks at the folders; no picture is read yet.</summary>
    /// <param name="root">DIR.</param>
    /// <param name="height">Pixels that every picture is brought to.</param>
    /// <param name="refuseBroken">A file that cannot be read is an error rather than a warning.</param>
    /// <param name="cache">Where decoded pictures are kept.</param>
    /// <param name="testing">Nothing is trained on it: one class, a class without pictures or a part alone will do.
    /// </param>
    /// <exception cref="RequestException">It is not laid out like this; the message says what is missing.</exception>
    public ImageFolder(
        string root,
        int height,
        int width,
        bool refuseBroken,
        ImageCache cache,
        Output output,
        bool testing = false
    )
    {
        _root = Path.GetFullPath(root);
        (_output, _testing) = (output, testing);
        if (!NamedFolder.Exists(_root))
            throw new RequestException($"there is no folder '{_root}'");
        try
        {
            var layout = FolderLayout.Of(_root, testing);
            foreach (var remark in layout.Remarks)
                output.Warning(remark);
            _bare = layout.Bare;
            var test = layout.Test is { } found && IsLabelled(found, layout.Train) ? found : null;
            string[] parts = [.. new[] { layout.Train, layout.Val, test }.OfType<string>()];
            if (!testing)
                LayoutDoubts.RefuseTwice(layout.Train, parts.Where(part => part != layout.Train));
            Classes = testing
                ? [.. parts.SelectMany(FolderLayout.Inside).Distinct().Order(StringComparer.Ordinal)]
                : PictureTree.Subfolders(layout.Train!);
            Train = layout.Train is { } train ? Files(train) : null;
            if (!testing)
                RefuseWithout(layout.Train!);
            foreach (var alike in LayoutDoubts.Alike(testing ? _root : layout.Train!, Classes))
                output.Warning(alike);
            Val = layout.Val is { } val ? Files(val) : null;
            Test = test is null ? null : Files(test);
            _reader = new(Classes, height, width, refuseBroken, whole: !testing, cache, output);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new RequestException($"'{_root}' cannot be looked through: {error.Message}");
        }
    }

    /// <summary>Names of the classes, in the order of the labels.</summary>
    public IReadOnlyList<string> Classes { get; }

    private LabelledFiles? Train { get; }

    private LabelledFiles? Val { get; }

    private LabelledFiles? Test { get; }

    /// <summary>The parts that there are. Reading shows a bar, and one warning that counts the files left out.</summary>
    public ImageParts Parts() =>
        new(
            () =>
                Read(
                    Train
                        ?? throw new RequestException(
                            $"'{_root}' has no train folder: --split names the part that it has"
                        )
                ),
            Val is { } val ? () => Read(val) : null,
            Test is { } test ? () => Read(test) : null
        )
        {
            Undivided = _bare,
            FileList = Digest(),
        };

    private Dataset Read(LabelledFiles part) =>
        _reader.Read(part, [.. new[] { Train, Val, Test }.OfType<LabelledFiles>()]);

    /// <summary>SHA-256 over each file's part, path inside it, class and size: the same wherever the set lies.</summary>
    private string Digest()
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var (part, files) in new[] { ("train", Train), ("val", Val), ("test", Test) })
            for (var place = 0; place < (files?.Paths.Count ?? 0); place++)
            {
                var path = files!.Paths[place];
                // Of a link it is the file behind it that matters; one that leads nowhere has no size.
                var target = PictureTree.Target(path);
                var relative = Path.GetRelativePath(files.Folder, path).Replace(Path.DirectorySeparatorChar, '/');
                var line =
                    $"{part}\0{relative}\0{Classes[(int)files.Labels[place]]}\0{(target.Exists ? target.Length : -1)}\n";
                hash.AppendData(Encoding.UTF8.GetBytes(line));
            }
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    private LabelledFiles Files(string folder)
    {
        var paths = new List<string>();
        var labels = new List<long>();
        var others = new List<string>();
        var places = Classes.Index().ToDictionary(it => it.Item, it => (long)it.Index);
        foreach (var name in PictureTree.Subfolders(folder))
        {
            var files = PictureTree.FilesBelow(Path.Combine(folder, name)).ToLookup(PictureFormat.IsNamed);
            others.AddRange(files[false]);
            if (_testing && !files[true].Any())
                continue;
            if (!places.TryGetValue(name, out var label))
                throw new RequestException(
                    $"'{Path.Combine(folder, name)}' is of no class in train, which has {FolderLayout.Few(Classes)}: take it "
                        + $"away, or train on it too{LayoutDoubts.Near(name, Classes)}"
                );
            paths.AddRange(files[true]);
            labels.AddRange(files[true].Select(_ => label));
        }

        foreach (var name in PictureTree.LeadingNowhere(folder))
            _output.Warning($"'{Path.Combine(folder, name)}' is a link that leads nowhere: there is no class for it");
        WarnOfOthers(folder, others);
        var loose = PictureTree.Files(folder).Count(PictureFormat.IsNamed);
        if (loose > 0 && paths.Count > 0 && !_bare)
            _output.Warning(
                $"{Counted.Of(loose, "picture")} right in '{folder}' {(loose == 1 ? "is" : "are")} of no class: left out"
            );
        return paths.Count > 0
            ? new LabelledFiles(folder, paths, labels)
            : throw new RequestException(
                $"'{folder}' holds no picture{(loose > 0 ? " in a folder of its class" : "")}: {folder}/CLASS/FILE was "
                    + $"expected, the files being {PictureFormat.Named}"
            );
    }

    /// <summary>One line, however many they are.</summary>
    private void WarnOfOthers(string folder, IReadOnlyList<string> others)
    {
        if (others.Count == 0)
            return;
        var kinds = others
            .CountBy(path => Path.GetExtension(path).ToLowerInvariant())
            .OrderByDescending(kind => kind.Value)
            .Select(kind => $"{(kind.Key.Length > 0 ? kind.Key : "without ending")} {kind.Value:N0}");
        _output.Warning(
            others.Count == 1
                ? $"'{others[0]}' is not a picture by its name ({PictureFormat.Named}): left out"
                : $"{others.Count:N0} files in '{folder}' are not pictures by their names ({FolderLayout.Few([.. kinds])}), "
                    + $"such as '{others[0]}': left out"
        );
    }

    /// <summary>Whether the pictures of a test folder lie in folders of classes; if not, says that nothing is tested.
    /// </summary>
    private bool IsLabelled(string test, string? train)
    {
        var inside = FolderLayout.Inside(test).ToList();
        bool IsClass(string name) =>
            !NoClass.Contains(name, StringComparer.OrdinalIgnoreCase)
            || train is null
            || Directory.Exists(Path.Combine(train, name));
        if (inside.Count > 1 || inside is [var one] && IsClass(one))
            return true;
        var count = PictureTree.FilesBelow(test).Count(PictureFormat.IsNamed);
        _output.Warning(
            count == 0
                ? $"'{test}' holds no picture: nothing is tested"
                : $"{Counted.Of(count, "picture")} in '{test}' {(count == 1 ? "lies" : "lie")} in no folder of a class: nothing is "
                    + "tested there ('hybrid predict' names their classes)"
        );
        return false;
    }

    private void RefuseWithout(string train)
    {
        if (Lacking(Train!.Labels) is { } name)
            throw new RequestException(
                $"'{Path.Combine(train, name)}' holds no picture: a class needs some ({PictureFormat.Named}); take the "
                    + "folder away if it is no class"
            );
        if (Classes.Count == 1)
            throw new RequestException(
                $"'{train}' has one class, '{Classes[0]}': at least two are needed, each a folder right in '{train}'"
            );
    }

    /// <summary>The first class that no label is of.</summary>
    private string? Lacking(IEnumerable<long> labels)
    {
        var seen = labels.ToHashSet();
        return Classes.Where((_, label) => !seen.Contains(label)).FirstOrDefault();
    }
}
