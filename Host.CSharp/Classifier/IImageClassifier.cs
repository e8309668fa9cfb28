namespace Hybrid;

/// <summary>
/// Says what pictures show. Pictures are files (JPEG, PNG, WebP, BMP, GIF) or pixels, of any size; they are turned upright,
/// put on white where they are transparent and brought to the network's size exactly as in training. All members may be
/// called from any number of threads at once.
/// </summary>
public interface IImageClassifier : IDisposable
{
    /// <summary>Names of the classes, in the order of the network's outputs.</summary>
    IReadOnlyList<string> Classes { get; }

    /// <summary>Height and width that pictures are brought to.</summary>
    (int Height, int Width) InputSize { get; }

    /// <summary>The most probable classes of a picture file, best first.</summary>
    /// <param name="path">The file.</param>
    /// <param name="top">How many classes; all where there are fewer.</param>
    /// <exception cref="PictureException">It cannot be read as a picture.</exception>
    /// <exception cref="ObjectDisposedException">The classifier was disposed.</exception>
    IReadOnlyList<ClassProbability> Classify(string path, int top = 1);

    /// <summary>The same of a picture file that is read from a stream, from where it stands to its end. The stream is left
    /// open.</summary>
    /// <inheritdoc cref="Classify(string, int)"/>
    IReadOnlyList<ClassProbability> Classify(Stream stream, int top = 1);

    /// <summary>The same of the bytes of a picture file.</summary>
    /// <inheritdoc cref="Classify(string, int)"/>
    IReadOnlyList<ClassProbability> Classify(ReadOnlySpan<byte> file, int top = 1);

    /// <summary>The same of pixels in memory.</summary>
    /// <param name="rgb">Red, green and blue of each pixel, row by row from the top: <c>[height, width, 3]</c>.</param>
    /// <param name="height">Rows.</param>
    /// <param name="width">Pixels of a row.</param>
    /// <param name="top">How many classes; all where there are fewer.</param>
    /// <exception cref="ArgumentException">There are not <c>3 · height · width</c> bytes.</exception>
    /// <exception cref="ObjectDisposedException">The classifier was disposed.</exception>
    IReadOnlyList<ClassProbability> ClassifyPixels(ReadOnlySpan<byte> rgb, int height, int width, int top = 1);

    /// <summary>The same of many files, decoded on all cores and computed in batches, in the order in which they are given.
    /// A file that cannot be read has its <see cref="ClassifiedPicture.Problem"/> and stops nothing.</summary>
    /// <param name="paths">The files.</param>
    /// <param name="top">How many classes; all where there are fewer.</param>
    /// <param name="cancellation">Ends it within a batch.</param>
    /// <exception cref="ObjectDisposedException">The classifier was disposed.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    IEnumerable<ClassifiedPicture> ClassifyMany(
        IEnumerable<string> paths,
        int top = 1,
        CancellationToken cancellation = default
    );

    /// <inheritdoc cref="Classify(string, int)"/>
    /// <param name="cancellation">Takes the call back while it waits for its turn.</param>
    Task<IReadOnlyList<ClassProbability>> ClassifyAsync(
        string path,
        int top = 1,
        CancellationToken cancellation = default
    );

    /// <inheritdoc cref="Classify(Stream, int)"/>
    /// <param name="cancellation">Takes the call back while it reads or waits for its turn.</param>
    Task<IReadOnlyList<ClassProbability>> ClassifyAsync(
        Stream stream,
        int top = 1,
        CancellationToken cancellation = default
    );

    /// <inheritdoc cref="ClassifyMany"/>
    IAsyncEnumerable<ClassifiedPicture> ClassifyManyAsync(
        IEnumerable<string> paths,
        int top = 1,
        CancellationToken cancellation = default
    );
}
