namespace Hybrid

/// What is measured in training, by the names that logs, reports and `--monitor` have.
[<RequireQualifiedAccess>]
module MetricName =

    [<Literal>]
    let TrainLoss = "train_loss"

    [<Literal>]
    let TrainAccuracy = "train_acc"

    [<Literal>]
    let ValLoss = "val_loss"

    [<Literal>]
    let ValAccuracy = "val_acc"

    /// Of validation images.
    let validation: string array = [| ValAccuracy; ValLoss |]

    /// Of training images.
    let training: string array = [| TrainAccuracy; TrainLoss |]

    /// Whether more is better.
    let isShare (metric: string) = metric = TrainAccuracy || metric = ValAccuracy

    /// The learning rate of an optimiser.
    let rate (optimizer: string) = $"lr-{optimizer}"
