using Hybrid.Host.Runtime;

namespace Hybrid.Host.Data;

/// <summary>
/// Pictures in folders: <c>DIR/{train,val,test}/CLASS/FILE</c>, val and test optional; without a train folder
/// <c>DIR/CLASS/FILE</c> is all for training. Classes are the names of the training folders and files are read class
/// by class, both in ordinal order, which is torchvision's: labels and splits come out the same.
/// </summary>
public sealed class ImageFolder
{
    private static readonly string[] Endings = [".png", ".jpg", ".jpeg"];

    // Left by file browsers of their own accord.
    private static readonly string[] Clutter = ["Thumbs.db", "desktop.ini"];

    private readonly string _root;
    private readonly int _height;
    private readonly int _width;
    private readonly bool _refuseBroken;
    private readonly ImageCache _cache;
    private readonly Output _output;

    /// <summary>Looks at the folders; no picture is read yet.</summary>
    /// <param name="root">DIR.</param>
    /// <param name="height">Pixels that every picture is brought to.</param>
    /// <param name="refuseBroken">A file that cannot be read is an error rather than a warning.</param>
    /// <param name="cache">Where decoded pictures are kept.</param>
    /// <exception cref="RequestException">It is not laid out like this; the message says what is missing.</exception>
    public ImageFolder(string root, int height, int width, bool refuseBroken, ImageCache cache, Output output)
    {
        _root = Path.GetFullPath(root);
        (_height, _width, _refuseBroken) = (height, width, refuseBroken);
        (_cache, _output) = (cache, output);
        if (!Directory.Exists(_root))
            throw new RequestException($"there is no folder '{_root}'");
        try
        {
            var train = Part("train");
            var val = Directory.Exists(Part("val")) ? Part("val") : null;
            var test = Directory.Exists(Part("test")) ? Part("test") : null;
            if (!Directory.Exists(train))
                train =
                    val is null && test is null
                        ? _root
                        : throw new RequestException(
                            $"'{_root}' has no train folder, and the classes are those of train. A folder of class "
                                + $"folders is data to train on by itself: folder:{val ?? test}"
                        );
            Classes = [.. Subfolders(train)];
            Train = Files(train);
            RefuseWithout(train);
            Val = val is null ? null : Files(val);
            Test = test is null ? null : Files(test);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new RequestException($"'{_root}' cannot be looked through: {error.Message}");
        }
    }

    /// <summary>Names of the classes, in the order of the labels.</summary>
    public IReadOnlyList<string> Classes { get; }

    private LabelledFiles Train { get; }

    private LabelledFiles? Val { get; }

    private LabelledFiles? Test { get; }

    /// <summary>The parts that there are. Reading one shows a bar, and a warning for each file left out.</summary>
    public ImageParts Parts() =>
        new(() => Read(Train), Val is { } val ? () => Read(val) : null, Test is { } test ? () => Read(test) : null);

    private string Part(string name) => Path.Combine(_root, name);

    /// <exception cref="WorkException">None of the files can be read, or of a class none, or one may not be broken.
    /// </exception>
    private ImageSet Read(LabelledFiles files)
    {
        var pictures = _cache.Get(files, _height, _width, _output);
        PictureReading.Warn(_output, pictures.Remarks, files.Paths);
        var broken = pictures.Remarks.Count(remark => remark.LeftOut);
        if (_refuseBroken && broken > 0)
            throw new WorkException(
                $"{broken:N0} of the {files.Paths.Count:N0} pictures in '{files.Folder}' cannot be read"
            );
        if (pictures.Kept.Length == 0)
            throw new WorkException($"none of the {files.Paths.Count:N0} pictures in '{files.Folder}' can be read");
        long[] labels = [.. pictures.Kept.Select(place => files.Labels[place])];
        if (ReferenceEquals(files, Train) && Lacking(labels) is { } name)
            throw new WorkException($"none of the pictures in '{Path.Combine(files.Folder, name)}' can be read");
        return new ImageSet(pictures.Pixels, labels, Classes, _height, _width);
    }

    private LabelledFiles Files(string folder)
    {
        var paths = new List<string>();
        var labels = new List<long>();
        var places = Classes.Index().ToDictionary(it => it.Item, it => (long)it.Index);
        foreach (var name in Subfolders(folder))
        {
            if (!places.TryGetValue(name, out var label))
                throw new RequestException(
                    $"'{Path.Combine(folder, name)}' is of no class in train, which has {Few(Classes)}"
                );
            var files = Directory
                .EnumerateFiles(Path.Combine(folder, name))
                .Order(StringComparer.Ordinal)
                .ToLookup(IsPicture);
            foreach (var other in files[false].Where(IsUnexpected))
                _output.Warning($"'{other}' is not a PNG or JPEG file by its name: left out");
            paths.AddRange(files[true]);
            labels.AddRange(files[true].Select(_ => label));
        }

        return paths.Count > 0
            ? new LabelledFiles(folder, paths, labels)
            : throw new RequestException(
                $"'{folder}' holds no picture: {folder}/CLASS/*.png, *.jpg or *.jpeg was expected"
            );
    }

    private void RefuseWithout(string train)
    {
        if (Lacking(Train.Labels) is { } name)
            throw new RequestException(
                $"'{Path.Combine(train, name)}' holds no picture: a class needs some (*.png, *.jpg, *.jpeg), right in "
                    + "its folder"
            );
        if (Classes.Count == 1)
            throw new RequestException($"'{train}' has one class, '{Classes[0]}': at least two are needed");
    }

    /// <summary>The first class that no label is of.</summary>
    private string? Lacking(IEnumerable<long> labels)
    {
        var seen = labels.ToHashSet();
        return Classes.Where((_, label) => !seen.Contains(label)).FirstOrDefault();
    }

    /// <summary>Names in ordinal order; hidden folders are nobody's classes.</summary>
    private static IEnumerable<string> Subfolders(string folder) =>
        Directory
            .EnumerateDirectories(folder)
            .Select(path => Path.GetFileName(path))
            .Where(name => !name.StartsWith('.'))
            .Order(StringComparer.Ordinal);

    /// <summary>Whether a file counts as a picture: by the ending of its name, whatever is in it.</summary>
    public static bool IsPicture(string path) =>
        Endings.Contains(Path.GetExtension(path), StringComparer.OrdinalIgnoreCase)
        && !Path.GetFileName(path).StartsWith('.');

    private static bool IsUnexpected(string path) =>
        !Path.GetFileName(path).StartsWith('.')
        && !Clutter.Contains(Path.GetFileName(path), StringComparer.OrdinalIgnoreCase);

    private static string Few(IReadOnlyList<string> names) =>
        string.Join(", ", names.Take(5)) + (names.Count > 5 ? ", …" : "");
}
