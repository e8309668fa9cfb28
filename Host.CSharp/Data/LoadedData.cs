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
    private readonly Lazy<(Dataset Train, Dataset Val)> _split;
    private readonly Lazy<Dataset> _test;
    private readonly Lazy<Normalisation> _normalisation;

    /// <summary>Finds the data, downloading it where that is its way; reads nothing yet.</summary>
    public LoadedData(DataRequest request, Output output)
    {
        _request = request;
        var parts = Find(request, output);
        if (parts.Val is not null && request.ValSize is not null)
            throw new RequestException($"{Name} has validation images of its own: leave --val-size out");
        _all = new(() => ToDataset(parts.Train()));
        _split = new(() =>
        {
            var (train, val) = parts.Val is { } own ? (_all.Value, ToDataset(own())) : Divide(_all.Value, request);
            return (Datasets.Limit(train, request.LimitTrain), Datasets.Limit(val, request.LimitVal));
        });
        _test = new(() =>
            parts.Test is { } test
                ? Datasets.Limit(ToDataset(test()), request.LimitTest)
                : Datasets.Limit(_all.Value, 0)
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

    /// <summary>The source with its folder as a full path, so that it means the same from anywhere.</summary>
    public string Name => FullName(_request.Source);

    public Dataset Of(Hybrid.Command.Split split) =>
        split.IsTrain ? Train
        : split.IsVal ? Val
        : Test;

    public void Dispose()
    {
        if (_split.IsValueCreated)
            foreach (var part in new[] { Train, Val })
                ((IDisposable)part).Dispose();
        foreach (var lazy in new[] { _all, _test })
            if (lazy.IsValueCreated)
                ((IDisposable)lazy.Value).Dispose();
    }

    private static Dataset ToDataset(ImageSet images) =>
        Datasets.OfBytes(images.Images, images.Labels, images.Height, images.Width, [.. images.Classes]);

    private static (Dataset Train, Dataset Val) Divide(Dataset all, DataRequest request)
    {
        var (train, val) = Datasets.Split(all, request);
        return (train, val);
    }

    private static string FullName(DataSource source) =>
        source switch
        {
            DataSource.Cifar10 { Folder: { Length: > 0 } folder } => $"cifar10:{Path.GetFullPath(folder)}",
            DataSource.Cifar100 { Folder: { Length: > 0 } folder } => $"cifar100:{Path.GetFullPath(folder)}",
            DataSource.Folder { Folder: var folder } => $"folder:{Path.GetFullPath(folder)}",
            _ => source.ToString()!,
        };

    private static ImageParts Find(DataRequest request, Output output) =>
        request.Source switch
        {
            DataSource.Cifar10 cifar => Cifar(CifarVariant.Cifar10, cifar.Folder, output),
            DataSource.Cifar100 cifar => Cifar(CifarVariant.Cifar100, cifar.Folder, output),
            DataSource.Folder { Folder: var folder } => Pictures(folder, request, output),
            _ => new ImageParts(() => Shapes.Draw(Split.Train), null, () => Shapes.Draw(Split.Test)),
        };

    private static ImageParts Pictures(string folder, DataRequest request, Output output)
    {
        var (height, width) = request.Size;
        return new ImageFolder(folder, height, width, request.RefuseBroken, ImageCache.Usual(), output).Parts();
    }

    private static ImageParts Cifar(CifarVariant variant, string folder, Output output)
    {
        var found = DownloadBar.Show(
            output,
            variant.Name,
            progress => new CifarArchive(variant).Ensure(folder.Length > 0 ? folder : null, progress, Interrupt.Token)
        );
        return new ImageParts(
            () => CifarFiles.Read(variant, found, Split.Train),
            null,
            () => CifarFiles.Read(variant, found, Split.Test)
        );
    }
}
