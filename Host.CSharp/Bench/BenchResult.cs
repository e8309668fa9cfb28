namespace Hybrid.Host.Bench;

/// <summary>What was measured; under <c>--json</c> with its fields in snake case. Rates are images a second.</summary>
/// <param name="PeakGmacs">Billions of multiply-adds a second of a large matrix product in this precision.</param>
public sealed record BenchResult(
    BenchMachine Machine,
    string Device,
    string Precision,
    int BatchSize,
    int Threads,
    int Repeats,
    double Seconds,
    double PeakGmacs,
    IReadOnlyList<BenchModel> Models
);

public sealed record BenchMachine(
    string Processor,
    int Cores,
    string System,
    string Dotnet,
    string Hybrid,
    string Torchsharp,
    string Libtorch
);

/// <param name="Macs">Multiply-adds of one image, forward.</param>
/// <param name="EpochOverCompute">Wall time over compute time of training with augmentation on.</param>
/// <param name="PeakMemoryMib">In training: resident, or taken of a GPU's memory.</param>
/// <param name="TrainPeakFraction">Of the large matrix product's rate, three times the forward multiply-adds a step.</param>
public sealed record BenchModel(
    string Model,
    long NumParams,
    long Macs,
    Spread Train,
    Spread Infer,
    Spread Pipeline,
    Spread EpochOverCompute,
    double PeakMemoryMib,
    double TrainPeakFraction,
    double InferPeakFraction,
    IReadOnlyList<BenchComparison> Against
);

/// <summary>Another program on the same network; the ratios say how many times its rate Hybrid's is.</summary>
public sealed record BenchComparison(
    string Name,
    string Libtorch,
    Spread Train,
    Spread Infer,
    Spread TrainRatio,
    Spread InferRatio,
    double PeakMemoryMib
);
