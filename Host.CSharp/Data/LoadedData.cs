using Hybrid.Command;
using Hybrid.Host.Runtime;
using Spectre.Console;
using static TorchSharp.torch;

namespace Hybrid.Host.Data;

/// <summary>
/// The images that a request names, as tensors on the CPU, split and limited as it says. A split is read when it is
/// first asked for.
/// </summary>
public sealed class LoadedData : IDisposable
{
    private readonly DataRequest _request;
    private readonly Lazy<Dataset> _all;
    private readonly Lazy<(Dataset Train, Dataset Val, Division Division)> _split;
    private readonly Lazy<Dataset> _test;
    private readonly Lazy<Normalisation> _normalisation;
    private readonly Lazy<DataFacts> _facts;
    private readonly Lazy<Dataset>? _whole;

    /// <summary>Finds the data, downloading it where that is its way; reads nothing yet.</summary>
    /// <param name="testing">Nothing is trained on it: a part alone will do, and some of the classes.</param>
    /// <param name="whole">The part that will be asked for, where a set that comes in no parts is not to be split: it is
    /// all of the set. Of train nothing is held back then.</param>
    public LoadedData(DataRequest request, Output output, bool testing = false, Hybrid.Command.Split? whole = null)
    {
        _request = request;
        var parts = Find(request, output, testing);
        FileList = parts.FileList;
        Undivided = whole is not null && parts.Undivided;
        // Nothing needs to be held back from what is not trained on, unless that is asked for.
        var uncut = whole is { IsTrain: true } && OfPictures && parts.Val is null && request.ValSize is null;
        _whole = Undivided || uncut ? new(() => Datasets.Limit(_all!.Value, Limit(whole!))) : null;
        ValFromTrain = OfPictures && parts.Val is null;
        _facts = new(() => DataFacts.Of(this));
        if (parts.Val is not null && request.ValSize is not null)
            throw new RequestException($"{Name} has validation images of its own: leave --val-size out");
        _all = new(parts.Train);
        _split = new(() =>
        {
            var (train, val) = parts.Val is { } own ? (_all.Value, own()) : Divide(_all.Value, request);
            var division = Division.Of(train, val, drawn: parts.Val is null, request);
            return (Datasets.Limit(train, request.LimitTrain), Datasets.Limit(val, request.LimitVal), division);
        });
        _test = new(() =>
            parts.Test is { } test ? Datasets.Limit(test(), request.LimitTest) : Datasets.Limit(_all.Value, 0)
        );
        _normalisation = new(() => Datasets.Normalisation(_all.Value));
    }

    public Dataset Train => _split.Value.Train;

    /// <summary>The data's own validation images, or those taken from train; empty where nothing is held back.
    /// </summary>
    public Dataset Val => _split.Value.Val;

    /// <summary>Empty where the data has no test images.</summary>
    public Dataset Test => _test.Value;

    /// <summary>Of the whole training set, before it is split.</summary>
    public Normalisation Normalisation => _normalisation.Value;

    /// <summary>Whether all images are in every part.</summary>
    public bool Undivided { get; }

    /// <summary>Whether pictures to validate on have no folder of their own, and are taken from train.</summary>
    public bool ValFromTrain { get; }

    /// <summary>Whether the pictures come from folders, each of a size of its own.</summary>
    public bool OfPictures => _request.Source.IsFolder;

    /// <summary>What tells this set from another.</summary>
    public DataFacts Facts => _facts.Value;

    /// <summary>Which images are in <c>train</c> and which in <c>val</c>.</summary>
    public Division Division => _split.Value.Division;

    /// <summary>A digest of the list of files; empty where the set is not of one's own files.</summary>
    internal string FileList { get; }

    /// <summary>The source with its folder as a full path, so that it means the same from anywhere.</summary>
    public string Name => FullName(_request.Source);

    public Dataset Of(Hybrid.Command.Split split) =>
        _whole is { } whole ? whole.Value
        : split.IsTrain ? Train
        : split.IsVal ? Val
        : Test;

    public void Dispose()
    {
        if (_split.IsValueCreated)
            foreach (var part in new[] { Train, Val })
                ((IDisposable)part).Dispose();
        foreach (var lazy in new[] { _all, _test, _whole }.OfType<Lazy<Dataset>>())
            if (lazy.IsValueCreated)
                ((IDisposable)lazy.Value).Dispose();
    }

    private int Limit(Hybrid.Command.Split split) =>
        split.IsTrain ? _request.LimitTrain
        : split.IsVal ? _request.LimitVal
        : _request.LimitTest;

    private static (Dataset Train, Dataset Val) Divide(Dataset all, DataRequest request)
    {
        var (train, val) = Datasets.Split(all, request);
        return (train, val);
    }

    /// <summary>What <c>--data</c> names, with its folder as a full path.</summary>
    /// <exception cref="RequestException">It names no data.</exception>
    public static string FullName(string source) => FullName(Requests.Source(source));

    internal static string FullName(DataSource source) =>
        source switch
        {
            DataSource.Cifar10 { Folder: { Length: > 0 } folder } => $"cifar10:{Full(folder)}",
            DataSource.Cifar100 { Folder: { Length: > 0 } folder } => $"cifar100:{Full(folder)}",
            DataSource.Folder { Folder: var folder } => $"folder:{Full(folder)}",
            _ => source.ToString()!,
        };

    /// <summary>Shells write a slash behind a folder that they complete; it is the same folder.</summary>
    private static string Full(string folder) => Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder));

    private static ImageParts Find(DataRequest request, Output output, bool testing) =>
        request.Source switch
        {
            DataSource.Cifar10 cifar => Cifar(CifarVariant.Cifar10, cifar.Folder, output),
            DataSource.Cifar100 cifar => Cifar(CifarVariant.Cifar100, cifar.Folder, output),
            DataSource.Folder { Folder: var folder } => Pictures(folder, request, output, testing),
            { IsShapes: true } => new ImageParts(
                () => Shapes.Draw(Split.Train).ToDataset(),
                null,
                () => Shapes.Draw(Split.Test).ToDataset()
            ),
            // Whatever is added to the union and forgotten here.
            var other => throw new InvalidOperationException($"no images are known for {other}"),
        };

    private static ImageParts Pictures(string folder, DataRequest request, Output output, bool testing)
    {
        var (height, width) = request.Size;
        return new ImageFolder(
            folder,
            height,
            width,
            request.RefuseBroken,
            ImageCache.Usual(),
            output,
            testing
        ).Parts();
    }

    private static ImageParts Cifar(CifarVariant variant, string folder, Output output)
    {
        string found;
        try
        {
            found = DownloadBar.Show(
                output,
                variant.Name,
                progress =>
                    new CifarArchive(variant).Ensure(folder.Length > 0 ? folder : null, progress, Interrupt.Token)
            );
        }
        catch (OperationCanceledException error) when (Interrupt.Asked)
        {
            throw new OperationCanceledException(
                $"interrupted while {variant.Name} was brought here; what has arrived is kept, and the next time goes on from there",
                error
            );
        }

        return new ImageParts(
            () => CifarFiles.Read(variant, found, Split.Train).ToDataset(),
            null,
            () => CifarFiles.Read(variant, found, Split.Test).ToDataset()
        );
    }
}
