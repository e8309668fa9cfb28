namespace Hybrid.Host.Commands;

/// <summary>What a run came to; under <c>--json</c> with its fields in snake case. Null: not measured, or not kept.</summary>
public sealed record TrainResult(
    string? RunDir,
    string Model,
    long NumParams,
    int Epochs,
    long Steps,
    string? BestCheckpoint,
    int BestEpoch,
    double TrainLoss,
    double? ValAcc,
    double? ValLoss,
    double? TestAcc,
    double? TestLoss,
    double Seconds,
    double ImagesPerSecond,
    string? Report
);
