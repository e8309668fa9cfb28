namespace Hybrid.Command

open System
open System.Collections.Generic
open Hybrid

/// A part of a data set.
[<RequireQualifiedAccess>]
type Split =
    | Train
    | Val
    | Test

    override split.ToString() =
        match split with
        | Train -> "train"
        | Val -> "val"
        | Test -> "test"

/// Which images. A limit of -1 is none.
type DataRequest = {
    Source: DataSource
    ValSize: int Nullable
    SplitSeed: int64
    LimitTrain: int
    LimitVal: int
    LimitTest: int
    /// Height and width that pictures from folders are brought to. Other sources have a size of their own.
    Size: struct (int * int)
    /// A picture that cannot be read ends the work, where it would otherwise be left out.
    RefuseBroken: bool
}

[<RequireQualifiedAccess>]
module DataRequest =

    /// The split's seed where none is named.
    let usualSeed = 42L

    /// How many of `count` training images are held back for validation.
    let validationImages (request: DataRequest) count =
        let usual =
            match request.Source with
            | DataSource.Shapes
            | DataSource.Folder _ -> count / 10
            // A set cut short keeps the same share.
            | DataSource.Cifar10 _
            | DataSource.Cifar100 _ -> if count >= 10_000 then 5000 else count / 10

        let wanted = if request.ValSize.HasValue then request.ValSize.Value else usual

        if wanted < count then
            Ok wanted
        else
            Error $"--val-size is {wanted}, expected fewer than the {count} training images"

    /// Training and validation images; the latter may be none. Folders of one's own are small: each class keeps its share.
    let divide (request: DataRequest) (data: Dataset) : Result<Dataset * Dataset, string> =
        let split =
            match request.Source with
            | DataSource.Folder _ -> Stratified.split
            | DataSource.Shapes
            | DataSource.Cifar10 _
            | DataSource.Cifar100 _ -> Dataset.split

        validationImages request data.Count
        |> Result.map (fun validation -> split request.SplitSeed validation data)

/// Where and how to compute.
type MachineRequest = {
    /// `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
    Device: string
    Precision: Precision
    /// 0 for the machine's cores.
    Threads: int
    /// Leaves the C library's allocator as it is.
    TrimMemory: bool
    /// Folder of the libtorch to use; empty where none is named.
    Libtorch: string
    /// Products of float32 numbers in TF32.
    Tf32: bool
}

/// A model by name. An empty name stands for the default, or for what a checkpoint says of itself.
type ModelRequest = {
    Name: string
    Hparams: IReadOnlyList<struct (string * string)>
    /// Which of a checkpoint's sets of weights, by its key or its names' prefix; empty for the first.
    Weights: string
}

/// What of a run is kept in checkpoints.
type SaveRequest = {
    /// Epochs to keep a checkpoint of, the best by the monitored metric; -1 for all.
    TopK: int
    /// They hold the whole state of the run, not the weights alone.
    FullState: bool
    /// Keeps the last state of the run as well.
    Last: bool
    /// Steps between two saves of the last state.
    Every: int
}

/// A run, as `train` starts it.
type TrainRequest = {
    Data: DataRequest
    Model: ModelRequest
    Machine: MachineRequest
    Monitor: MonitorRequest
    /// Empty for none.
    Init: string
    Save: SaveRequest
    /// Logs the learning rate with every record of the training loss, not only as each epoch starts.
    LearningRateEachStep: bool
    /// Looks for the largest batch size that fits into memory before the run.
    FindBatchSize: bool
    /// Looks for the learning rate before the run.
    FindRate: bool
    /// Leaves nothing behind: what the run writes is written to a folder that is removed.
    FastDevRun: bool
    /// Empty for the default.
    Out: string
    Json: bool
    /// The options that decide the run, as they were given, by which it is repeated and taken up again. Those of its
    /// recipe stand here alone, since they change the recipe of a model on some data.
    Settings: GivenOption list
} with

    /// The command line that says the same.
    member request.Arguments: string array = [| "train"; yield! GivenOption.words request.Settings |]

/// A run that is to go on, as `train --resume` asks for it.
type ResumeRequest = {
    /// A run's folder, or a folder of runs; empty for the default.
    Run: string
    /// Where the run's data lies now; empty where it is where it was.
    Data: string
    /// Goes on where the data is no longer as it was.
    AcceptChangedData: bool
    /// Asks for another length too, which a run cannot take: to be refused with the name of the run that was meant.
    Longer: bool
    /// Where to compute. Of this machine: nothing that lies in the run's folder has a say in it.
    Machine: MachineRequest
    Json: bool
}

/// A checkpoint to measure on images with labels.
type TestRequest = {
    Checkpoint: string
    Data: DataRequest
    /// False where the data is to be what the checkpoint was trained on.
    SourceGiven: bool
    Split: Split
    /// False where the split's seed is to be that of the training.
    SplitSeedGiven: bool
    /// Tests on a part that is no longer what it was in training.
    AcceptChangedData: bool
    Model: ModelRequest
    BatchSize: int
    Machine: MachineRequest
    Json: bool
}

/// A checkpoint to classify pictures with.
type PredictRequest = {
    Checkpoint: string
    /// Pictures and folders of pictures.
    Files: IReadOnlyList<string>
    /// Classes to name for each picture.
    Top: int
    /// Lends its normalisation and its classes' names to a checkpoint that has none.
    Data: DataRequest
    SourceGiven: bool
    Model: ModelRequest
    BatchSize: int
    Machine: MachineRequest
    /// The file to write; `-` for stdout, empty for none.
    Csv: string
    Json: bool
}

/// A network to describe, by its model's name or from a checkpoint.
type SummaryRequest = {
    Model: ModelRequest
    /// Empty for none.
    Checkpoint: string
    Input: Shape
    Json: bool
}

/// A checkpoint to write in another format, which `To`'s ending names.
type ExportRequest = {
    Checkpoint: string
    To: string
    Model: ModelRequest
    /// Of an ONNX file, whose pictures are normalised by what is known of the network's data.
    Onnx: OnnxOptions
    /// Pictures are brought to what the network reads inside the graph.
    WithPreprocessing: bool
    /// Lends its normalisation and its classes' names to a checkpoint that has none.
    Data: DataRequest
    SourceGiven: bool
    Machine: MachineRequest
    Json: bool
} with

    /// Whether an ONNX file is to be written, by its ending.
    member request.IsOnnx = request.To.EndsWith(".onnx", StringComparison.OrdinalIgnoreCase)

/// Several models to train on the same data by the same options, or their checkpoints to test.
type CompareRequest = {
    Models: IReadOnlyList<string>
    /// Empty for none.
    Checkpoints: string
    Train: TrainRequest
}

/// Models whose training and inference are to be timed.
type BenchRequest = {
    Models: IReadOnlyList<string>
    BatchSize: int
    Machine: MachineRequest
    /// How often everything is measured; medians, least and largest values are reported.
    Repeats: int
    /// Seconds of each measurement.
    Seconds: float
    /// What to compare with: `naive`, `pytorch`, `lightning`.
    Against: IReadOnlyList<string>
    /// Empty, or what a child process of the measurement is to run.
    Worker: string
    Json: bool
}

/// What a command line needs of the world around it.
type Surroundings = {
    /// The folder that `~` stands for; empty where there is none.
    Home: string
    /// Reads a file of options; throws where it can't be read.
    ReadSettings: Func<string, IReadOnlyList<GivenOption>>
}

/// A machine to look over.
type DoctorRequest = { Machine: MachineRequest; Json: bool }

/// What the user asks for, checked as far as it can be without looking at the machine or at a file.
[<RequireQualifiedAccess>]
type Request =
    | Train of TrainRequest
    | Resume of ResumeRequest
    | Test of TestRequest
    | Predict of PredictRequest
    | Summary of SummaryRequest
    | Export of ExportRequest
    | Compare of CompareRequest
    | Bench of BenchRequest
    | Doctor of DoctorRequest
    /// Text that answers the request: help or a version.
    | Show of Text: string
    /// What was wrong, and what is allowed.
    | Wrong of Message: string

    /// Folder of the libtorch to compute with, empty where none is named; null for what computes nothing.
    member request.Libtorch: string | null =
        match request with
        | Request.Train it -> it.Machine.Libtorch
        | Request.Resume it -> it.Machine.Libtorch
        | Request.Test it -> it.Machine.Libtorch
        | Request.Predict it -> it.Machine.Libtorch
        | Request.Compare it -> it.Train.Machine.Libtorch
        | Request.Bench it -> it.Machine.Libtorch
        | Request.Doctor it -> it.Machine.Libtorch
        // Other formats hold a checkpoint's own bytes.
        | Request.Export it -> if it.IsOnnx then it.Machine.Libtorch else null
        | Request.Summary _
        | Request.Show _
        | Request.Wrong _ -> null
