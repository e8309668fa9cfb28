namespace Hybrid.Command

open Argu

[<RequireQualifiedAccess>]
type BenchArgument =
    | [<Unique>] Models of string
    | [<Unique>] Batch_Size of number: string
    | [<Unique>] Repeats of number: string
    | [<Unique>] Seconds of number: string
    | [<Unique>] Against of string
    | [<Unique>] Device of string
    | [<Unique>] Precision of string
    | [<Unique>] Threads of number: string
    | [<Unique>] Trim_Memory
    | [<Unique>] Libtorch of string
    | [<Unique>] Tf32
    | [<Unique>] Json
    | [<Unique; Hidden>] Worker of string

    interface IArgParserTemplate with
        member argument.Usage =
            match argument with
            | Models _ -> "networks separated by commas (default: GoogleNet,ResNet,ResNetPreAct,DenseNet)"
            | Batch_Size _ -> Usage.batchSize
            | Repeats _ -> "how often everything is measured (default: 5)"
            | Seconds _ -> "length of each measurement (default: 1)"
            | Against _ ->
                "also measure naive (plain TorchSharp modules), pytorch (the Python in HYBRID_PYTHON, or python3) and lightning (with its data loader), in turns"
            | Device _ -> Usage.device
            | Precision _ -> Usage.precision
            | Threads _ -> Usage.threads
            | Trim_Memory -> Usage.trimMemory
            | Libtorch _ -> Usage.libtorch
            | Tf32 -> Usage.tf32
            | Json -> Usage.json
            | Worker _ -> "what a child process runs"

[<RequireQualifiedAccess>]
type DoctorArgument =
    | [<Unique>] Device of string
    | [<Unique>] Threads of number: string
    | [<Unique>] Trim_Memory
    | [<Unique>] Libtorch of string
    | [<Unique>] Json

    interface IArgParserTemplate with
        member argument.Usage =
            match argument with
            | Device _ -> Usage.device
            | Threads _ -> Usage.threads
            | Trim_Memory -> Usage.trimMemory
            | Libtorch _ -> Usage.libtorch
            | Json -> Usage.json
