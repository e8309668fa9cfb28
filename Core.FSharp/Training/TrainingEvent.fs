namespace Hybrid

/// What happens in a run, in order. Plain numbers: nothing here keeps a tensor alive. Epochs and steps count from 0,
/// steps over the whole run.
[<RequireQualifiedAccess>]
type TrainingEvent =
    | FitStarted of Epochs: int * StepsPerEpoch: int * TrainImages: int * ValImages: int
    /// With the rate of the epoch's first step.
    | EpochStarted of Epoch: int * Step: int64 * LearningRate: float
    /// In place of `EpochStarted` where a run is taken up again in the middle of an epoch.
    | EpochResumed of Epoch: int * Step: int64 * Batch: int
    /// After every step, with the rate that it was taken at; the loss is on the device still.
    | StepEnded of Epoch: int * Step: int64 * Batch: int * LearningRate: float
    /// The loss of one step, every so many steps, and the accuracy over the epoch so far.
    | LossLogged of Epoch: int * Step: int64 * Loss: float * Accuracy: float
    | EpochTrained of Epoch: int * Step: int64 * Loss: float * Accuracy: float
    | EpochValidated of Epoch: int * Step: int64 * Loss: float * Accuracy: float
    | EpochEnded of Epoch: int * Step: int64
    /// The loss of a step (`train_loss`), or that of a validation (`val_loss`), is not a finite number: the run ends
    /// here. Found at the steps whose loss is logged, and at the end of the epoch for those between.
    | Diverged of Epoch: int * Step: int64 * Metric: string * Loss: float
    | FitEnded of Epochs: int * Steps: int64
