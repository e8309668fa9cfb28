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
    private readonly Func<Split, ImageSet> _read;
    private readonly Lazy<Dataset> _all;
    private readonly Lazy<(Dataset Train, Dataset Val)> _split;
    private readonly Lazy<Dataset> _test;
    private readonly Lazy<Normalisation> _normalisation;

    /// <summary>Finds the data, downloading it where that is its way; reads nothing yet.</summary>
    public LoadedData(DataRequest request, Output output)
    {
        _request = request;
        _read = Find(request.Source, output);
        _all = new(() => ToDataset(_read(Split.Train)));
        _split = new(() =>
        {
            var (train, val) = Datasets.Split(_all.Value, request);
            return (Datasets.Limit(train, request.LimitTrain), Datasets.Limit(val, request.LimitVal));
        });
        _test = new(() => Datasets.Limit(ToDataset(_read(Split.Test)), request.LimitTest));
        _normalisation = new(() => Datasets.Normalisation(_all.Value));
    }

    public Dataset Train => _split.Value.Train;

    /// <summary>Empty where nothing is held back for validation.</summary>
    public Dataset Val => _split.Value.Val;

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

    private static string FullName(DataSource source) =>
        source switch
        {
            DataSource.Cifar10 { Folder: { Length: > 0 } folder } => $"cifar10:{Path.GetFullPath(folder)}",
            DataSource.Cifar100 { Folder: { Length: > 0 } folder } => $"cifar100:{Path.GetFullPath(folder)}",
            _ => source.ToString()!,
        };

    private static Func<Split, ImageSet> Find(DataSource source, Output output) =>
        source switch
        {
            DataSource.Cifar10 cifar => Cifar(CifarVariant.Cifar10, cifar.Folder, output),
            DataSource.Cifar100 cifar => Cifar(CifarVariant.Cifar100, cifar.Folder, output),
            _ => Shapes.Draw,
        };

    private static Func<Split, ImageSet> Cifar(CifarVariant variant, string folder, Output output)
    {
        var found = DownloadBar.Show(
            output,
            variant.Name,
            progress => new CifarArchive(variant).Ensure(folder.Length > 0 ? folder : null, progress, Interrupt.Token)
        );
        return split => CifarFiles.Read(variant, found, split);
    }
}
