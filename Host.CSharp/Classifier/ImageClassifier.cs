using System.Globalization;
using System.Runtime.CompilerServices;
using Hybrid.Command;
using Hybrid.Host.Checkpoints;
using Hybrid.Host.Data;
using Hybrid.Host.Runtime;

namespace Hybrid;

/// <summary>A trained network that says what pictures show.</summary>
/// <example><code>
/// using var classifier = ImageClassifier.Load("model.safetensors");
/// var top = classifier.Classify("cat.jpg", top: 3);
/// </code></example>
public sealed partial class ImageClassifier : IImageClassifier
{
    private readonly Classifier _classifier;
    private readonly ClassifierOptions _options;
    private int _disposed;

    /// <summary>Seen by the one thread that computes, which is also the one that frees.</summary>
    private bool _gone;

    private ImageClassifier(
        Classifier classifier,
        ClassifierOptions options,
        string model,
        IReadOnlyList<string> classes,
        (int Height, int Width) inputSize
    )
    {
        (_classifier, _options) = (classifier, options);
        (Model, Classes, InputSize) = (model, classes, inputSize);
    }

    /// <summary>The network's name.</summary>
    public string Model { get; }

    /// <inheritdoc/>
    public IReadOnlyList<string> Classes { get; }

    /// <inheritdoc/>
    public (int Height, int Width) InputSize { get; }

    /// <summary>Reads a checkpoint of Hybrid (<c>.safetensors</c>, or a run's folder for its best), of PyTorch Lightning or
    /// of <c>torch.save</c>, and makes libtorch ready where it is not yet.</summary>
    /// <param name="path">The file.</param>
    /// <param name="options">Null for the usual ones.</param>
    /// <exception cref="RequestException">There is no such file, it lacks something that <paramref name="options"/> can
    /// say, or what they ask for is not to be had here.</exception>
    /// <exception cref="WorkException">The file is damaged, or libtorch does not load.</exception>
    public static ImageClassifier Load(string path, ClassifierOptions? options = null) =>
        LoadAsync(path, options).GetAwaiter().GetResult();

    /// <inheritdoc cref="Load"/>
    /// <param name="cancellation">Takes the call back while it waits for its turn.</param>
    public static Task<ImageClassifier> LoadAsync(
        string path,
        ClassifierOptions? options = null,
        CancellationToken cancellation = default
    )
    {
        ArgumentNullException.ThrowIfNull(path);
        var chosen = options ?? new ClassifierOptions();
        chosen.Check();
        return ComputeThread.Run(() => Read(path, chosen), cancellation);
    }

    /// <inheritdoc/>
    public IReadOnlyList<ClassProbability> Classify(string path, int top = 1) => Wait(ClassifyAsync(path, top));

    /// <inheritdoc/>
    public IReadOnlyList<ClassProbability> Classify(Stream stream, int top = 1)
    {
        ArgumentNullException.ThrowIfNull(stream);
        Check(top);
        using var file = new MemoryStream();
        stream.CopyTo(file);
        return Classify(file.GetBuffer().AsSpan(0, (int)file.Length), top);
    }

    /// <inheritdoc/>
    public IReadOnlyList<ClassProbability> Classify(ReadOnlySpan<byte> file, int top = 1)
    {
        Check(top);
        return Wait(Compute(Decoded(file.ToArray()), top, default));
    }

    /// <inheritdoc/>
    public IReadOnlyList<ClassProbability> ClassifyPixels(ReadOnlySpan<byte> rgb, int height, int width, int top = 1)
    {
        Check(top);
        return Wait(Compute(PicturePixels.Cover(rgb, height, width, InputSize.Height, InputSize.Width), top, default));
    }

    /// <inheritdoc/>
    public IEnumerable<ClassifiedPicture> ClassifyMany(
        IEnumerable<string> paths,
        int top = 1,
        CancellationToken cancellation = default
    )
    {
        ArgumentNullException.ThrowIfNull(paths);
        Check(top);
        return paths.Chunk(_options.BatchSize).SelectMany(some => Wait(ClassifyBatch(some, top, cancellation)));
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<ClassProbability>> ClassifyAsync(
        string path,
        int top = 1,
        CancellationToken cancellation = default
    )
    {
        ArgumentNullException.ThrowIfNull(path);
        Check(top);
        var pixels = await Task.Run(() => Decoded(path), cancellation).ConfigureAwait(false);
        return await Compute(pixels, top, cancellation).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<ClassProbability>> ClassifyAsync(
        Stream stream,
        int top = 1,
        CancellationToken cancellation = default
    )
    {
        ArgumentNullException.ThrowIfNull(stream);
        Check(top);
        using var file = new MemoryStream();
        await stream.CopyToAsync(file, cancellation).ConfigureAwait(false);
        var bytes = file.ToArray();
        var pixels = await Task.Run(() => Decoded(bytes), cancellation).ConfigureAwait(false);
        return await Compute(pixels, top, cancellation).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public IAsyncEnumerable<ClassifiedPicture> ClassifyManyAsync(
        IEnumerable<string> paths,
        int top = 1,
        CancellationToken cancellation = default
    )
    {
        ArgumentNullException.ThrowIfNull(paths);
        Check(top);
        return Each(paths, top, cancellation);
    }

    /// <summary>Waits for the calls that are under way, then frees the network; calls that come later are refused.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) == 0)
            Wait(
                ComputeThread.Run(() =>
                {
                    _gone = true;
                    ((IDisposable)_classifier).Dispose();
                    return true;
                })
            );
    }

    private static ImageClassifier Read(string path, ClassifierOptions options)
    {
        var request = options.Model is { } name ? Requests.Named(name) : Requests.Unnamed;
        var trained = TrainedModel.Read(RunCheckpoint.Of(path, _ => { }), request);
        if (trained.Input is not Shape.Image { channels: ImageSet.Channels } input)
            throw new RequestException($"'{trained.File}' reads inputs of {trained.Input}, not pictures");
        var count = trained.Model.Classes;
        if (options.Classes is { } named && named.Count != count)
            throw new RequestException(
                $"'{trained.File}' tells {Counted.Of(count, "class", "classes")} apart, and Classes has {named.Count}"
            );
        string[] classes =
        [
            .. options.Classes
                ?? trained.Classes
                ?? [.. Enumerable.Range(0, count).Select(i => i.ToString(CultureInfo.InvariantCulture))],
        ];
        var normalisation =
            trained.Normalisation
            ?? (options.Mean is { } mean ? new Normalisation([.. mean], [.. options.Std!]) : null)
            ?? throw new RequestException(
                $"'{trained.File}' does not say what its images were normalised by: give Mean and Std"
            );
        var network = trained.Build(Machine.Prepare(options.Machine));
        return new ImageClassifier(
            new Classifier(network, normalisation),
            options,
            trained.Model.Name,
            classes,
            (input.height, input.width)
        );
    }

    private async IAsyncEnumerable<ClassifiedPicture> Each(
        IEnumerable<string> paths,
        int top,
        [EnumeratorCancellation] CancellationToken cancellation
    )
    {
        foreach (var some in paths.Chunk(_options.BatchSize))
        foreach (var one in await ClassifyBatch(some, top, cancellation).ConfigureAwait(false))
            yield return one;
    }

    private async Task<IReadOnlyList<ClassifiedPicture>> ClassifyBatch(
        string[] files,
        int top,
        CancellationToken cancellation
    )
    {
        Check(top);
        var (height, width) = InputSize;
        var bytes = height * width * ImageSet.Channels;
        var pixels = new byte[files.Length * bytes];
        var problems = new string?[files.Length];
        await Task.Run(
                () =>
                    Parallel.For(
                        0,
                        files.Length,
                        new ParallelOptions { CancellationToken = cancellation },
                        place =>
                        {
                            var remark = PictureFile.Read(
                                place,
                                files[place],
                                height,
                                width,
                                pixels.AsSpan(place * bytes, bytes)
                            );
                            problems[place] = remark is { LeftOut: true } ? remark.Text : null;
                        }
                    ),
                cancellation
            )
            .ConfigureAwait(false);
        // What could not be read has zeros in its place, and no answer.
        var found = await Run(() => _classifier.Classify(pixels, height, width, top), cancellation)
            .ConfigureAwait(false);
        return
        [
            .. files.Select(
                (file, place) =>
                    problems[place] is { } problem
                        ? new ClassifiedPicture(file, [], problem)
                        : new ClassifiedPicture(file, Named(found[place]), null)
            ),
        ];
    }

    private byte[] Decoded(string path) =>
        Decoded(pixels => PictureFile.Read(0, path, InputSize.Height, InputSize.Width, pixels), $"'{path}'");

    private byte[] Decoded(byte[] file) =>
        Decoded(pixels => PictureFile.Read(0, file, InputSize.Height, InputSize.Width, pixels), "the picture");

    private byte[] Decoded(Func<byte[], PictureRemark?> read, string what)
    {
        var pixels = new byte[InputSize.Height * InputSize.Width * ImageSet.Channels];
        return read(pixels) is { LeftOut: true } remark ? throw new PictureException($"{what} {remark.Text}") : pixels;
    }

    private async Task<IReadOnlyList<ClassProbability>> Compute(byte[] pixels, int top, CancellationToken cancellation)
    {
        var (height, width) = InputSize;
        var found = await Run(() => _classifier.Classify(pixels, height, width, top), cancellation)
            .ConfigureAwait(false);
        return Named(found[0]);
    }

    private Task<Prediction[]> Run(Func<Prediction[]> work, CancellationToken cancellation)
    {
        ObjectDisposedException.ThrowIf(Volatile.Read(ref _disposed) != 0, this);
        return ComputeThread.Run(
            () =>
            {
                ObjectDisposedException.ThrowIf(_gone, this);
                return work();
            },
            cancellation
        );
    }

    private ClassProbability[] Named(Prediction found) =>
        [
            .. found.Classes.Zip(
                found.Probabilities,
                (place, probability) => new ClassProbability(Classes[place], place, probability)
            ),
        ];

    private void Check(int top)
    {
        ObjectDisposedException.ThrowIf(Volatile.Read(ref _disposed) != 0, this);
        ArgumentOutOfRangeException.ThrowIfLessThan(top, 1);
    }

    private static T Wait<T>(Task<T> task) => task.GetAwaiter().GetResult();
}
