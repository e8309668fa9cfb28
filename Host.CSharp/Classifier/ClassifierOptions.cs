using Hybrid.Command;

namespace Hybrid;

/// <summary>How a classifier computes, and what it is told where its file says nothing.</summary>
public sealed record ClassifierOptions
{
    /// <summary><c>auto</c> (CUDA or Apple's GPU where there is one), <c>cpu</c>, <c>cuda</c>, <c>cuda:N</c> or
    /// <c>mps</c>.</summary>
    public string Device { get; init; } = "auto";

    /// <summary>The numbers that it computes in.</summary>
    public Precision Precision { get; init; } = Precision.Float32;

    /// <summary>libtorch's threads, for the whole process; 0 for the machine's cores.</summary>
    public int Threads { get; init; }

    /// <summary>Pictures that <see cref="IImageClassifier.ClassifyMany"/> computes at once.</summary>
    public int BatchSize { get; init; } = 32;

    /// <summary>The model's name, where the file does not say which network its weights are of.</summary>
    public string? Model { get; init; }

    /// <summary>Names of the classes, in the order of the network's outputs, instead of those of the file.</summary>
    public IReadOnlyList<string>? Classes { get; init; }

    /// <summary>What pixels, scaled to 0..1, are normalised by, for red, green and blue, where the file does not say it.
    /// </summary>
    public IReadOnlyList<double>? Mean { get; init; }

    /// <summary>As <see cref="Mean"/>: what they are then divided by.</summary>
    public IReadOnlyList<double>? Std { get; init; }

    /// <summary>The folder of a libtorch, for a program that brings none; null for what <c>HYBRID_LIBTORCH</c> names, or the
    /// one that came with the program.</summary>
    public string? Libtorch { get; init; }

    /// <summary>Leaves the C library's allocator as it is: slower, but memory that a call has used goes back to the system at
    /// once.</summary>
    public bool TrimMemory { get; init; }

    internal MachineRequest Machine => new(Device, Precision, Threads, TrimMemory, Libtorch ?? "", tf32: false);

    internal void Check()
    {
        if (BatchSize < 1)
            throw new RequestException($"BatchSize is {BatchSize}, expected at least 1");
        if (Threads is < 0 || Threads > CommandLine.MostThreads)
            throw new RequestException($"Threads is {Threads}, expected 0 to {CommandLine.MostThreads}");
        if ((Mean is null) != (Std is null) || Mean is { Count: not 3 } || Std is { Count: not 3 })
            throw new RequestException("Mean and Std go together and have three numbers each, for red, green and blue");
        if (
            Std?.Any(value => !(value > 0 && double.IsFinite(value))) == true
            || Mean?.Any(value => !double.IsFinite(value)) == true
        )
            throw new RequestException("Mean and Std are finite numbers, and Std is above 0");
    }
}
