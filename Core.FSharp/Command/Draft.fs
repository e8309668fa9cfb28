namespace Hybrid.Command

open System
open System.Collections.Generic
open Hybrid

/// All that options say, from which a verb takes what its request is of. Its start is what holds where nothing is said.
type internal Draft = {
    Data: DataRequest
    Split: Split
    Network: ModelRequest
    Models: IReadOnlyList<string>
    Input: Shape
    Checkpoint: string
    Checkpoints: string
    Init: string
    Training: Recipe
    AcceptChangedData: bool
    FindBatchSize: bool
    FindRate: bool
    FastDevRun: bool
    /// 0 for all batches.
    OverfitBatches: int
    Monitor: MonitorRequest
    Save: SaveRequest
    LearningRateEachStep: bool
    Machine: MachineRequest
    Onnx: OnnxOptions
    WithPreprocessing: bool
    Top: int
    Repeats: int
    Seconds: float
    Against: string list
    Worker: string
    Out: string
    To: string
    Csv: string
    Json: bool
}

[<RequireQualifiedAccess>]
module internal Draft =

    let start: Draft = {
        Data = {
            Source = DataSource.Shapes
            ValSize = Nullable()
            SplitSeed = DataRequest.usualSeed
            LimitTrain = -1
            LimitVal = -1
            LimitTest = -1
            Size = struct (32, 32)
            RefuseBroken = false
        }
        Split = Split.Test
        Network = { Name = ""; Hparams = [||]; Weights = "" }
        Models = Array.ofList Catalogue.tutorial
        Input = Shape.Image(3, 32, 32)
        Checkpoint = ""
        Checkpoints = ""
        Init = ""
        Training = Recipe.plain
        AcceptChangedData = false
        FindBatchSize = false
        FindRate = false
        FastDevRun = false
        OverfitBatches = 0
        Monitor = {
            Metric = MetricName.ValAccuracy
            HigherIsBetter = true
            Patience = 0
            MinDelta = 0.0
        }
        Save = { TopK = 1; FullState = false; Last = true; Every = 100 }
        LearningRateEachStep = false
        Machine = {
            Device = "auto"
            Precision = Precision.Float32
            Threads = 0
            TrimMemory = false
            Libtorch = ""
            Tf32 = false
        }
        Onnx = Onnx.usual
        WithPreprocessing = false
        Top = 5
        Repeats = 5
        Seconds = 1.0
        Against = []
        Worker = ""
        Out = ""
        To = ""
        Csv = ""
        Json = false
    }
