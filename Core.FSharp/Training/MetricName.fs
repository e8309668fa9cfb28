namespace Hybrid

/// What is measured in training, by the names that logs, reports and `--monitor` have.
[<RequireQualifiedAccess>]
module MetricName =

    /// What training makes small, over the images of an epoch as they were trained on.
    [<Literal>]
    let TrainLoss = "train_loss"

    /// Share of the images of an epoch that were right as they were trained on.
    [<Literal>]
    let TrainAccuracy = "train_acc"

    /// Cross-entropy over the validation images.
    [<Literal>]
    let ValLoss = "val_loss"

    /// Share of the validation images that are right.
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
