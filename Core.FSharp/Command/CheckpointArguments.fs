namespace Hybrid.Command

open Argu

[<RequireQualifiedAccess>]
type TestArgument =
    | [<Unique>] Checkpoint of string
    | [<Unique>] Data of string
    | [<Unique>] Split of string
    | [<Unique>] Val_Size of number: string
    | [<Unique>] Split_Seed of number: string
    | [<Unique>] Limit_Train of number: string
    | [<Unique>] Limit_Val of number: string
    | [<Unique>] Limit_Test of number: string
    | [<Unique>] Refuse_Broken
    | [<Unique>] Accept_Changed_Data
    | [<Unique>] Model of string
    | Hparam of string
    | [<Unique>] Weights of string
    | [<Unique>] Batch_Size of number: string
    | [<Unique>] Device of string
    | [<Unique>] Precision of string
    | [<Unique>] Threads of number: string
    | [<Unique>] Trim_Memory
    | [<Unique>] Libtorch of string
    | [<Unique>] Tf32
    | [<Unique>] Json

    interface IArgParserTemplate with
        member argument.Usage =
            match argument with
            | Checkpoint _ -> Usage.checkpoint
            | Data _ ->
                "what to test on (default: what the checkpoint was trained on): shapes, cifar10[:DIR], cifar100[:DIR], folder:DIR"
            | Split _ -> "train, val or test (default)"
            | Val_Size _ -> Usage.valSize
            | Split_Seed _ -> Usage.splitSeed
            | Limit_Train _ -> Usage.limit "train"
            | Limit_Val _ -> Usage.limit "val"
            | Limit_Test _ -> Usage.limit "test"
            | Refuse_Broken -> Usage.refuseBroken
            | Accept_Changed_Data ->
                "test on train or val of the data that the network was trained on although its pictures, or how they are divided, are no longer as they were (default: refused)"
            | Model _ -> "the network, where the checkpoint does not name it"
            | Hparam _ -> Usage.hparam
            | Weights _ -> Usage.weights
            | Batch_Size _ -> Usage.batchSize
            | Device _ -> Usage.device
            | Precision _ -> Usage.precision
            | Threads _ -> Usage.threads
            | Trim_Memory -> Usage.trimMemory
            | Libtorch _ -> Usage.libtorch
            | Tf32 -> Usage.tf32
            | Json -> Usage.json

[<RequireQualifiedAccess>]
type PredictArgument =
    | [<MainCommand>] Files of FILE_OR_FOLDER: string list
    | [<Unique>] Checkpoint of string
    | [<Unique>] Top of number: string
    | [<Unique>] Data of string
    | [<Unique>] Model of string
    | Hparam of string
    | [<Unique>] Weights of string
    | [<Unique>] Batch_Size of number: string
    | [<Unique>] Device of string
    | [<Unique>] Precision of string
    | [<Unique>] Threads of number: string
    | [<Unique>] Trim_Memory
    | [<Unique>] Libtorch of string
    | [<Unique>] Tf32
    | [<Unique>] Csv of string
    | [<Unique>] Json

    interface IArgParserTemplate with
        member argument.Usage =
            match argument with
            | Files _ ->
                "pictures (JPEG, PNG, WebP, BMP or GIF), and folders whose pictures are meant, those of folders inside them too"
            | Checkpoint _ -> Usage.checkpoint
            | Top _ -> "classes to name for each picture, the most probable ones (default: 5)"
            | Data _ ->
                "data that lends its normalisation and its classes' names to a checkpoint that has none: cifar10[:DIR], cifar100[:DIR], folder:DIR, shapes"
            | Model _ -> "the network, where the checkpoint does not name it"
            | Hparam _ -> Usage.hparam
            | Weights _ -> Usage.weights
            | Batch_Size _ -> Usage.batchSize
            | Device _ -> Usage.device
            | Precision _ -> Usage.precision
            | Threads _ -> Usage.threads
            | Trim_Memory -> Usage.trimMemory
            | Libtorch _ -> Usage.libtorch
            | Tf32 -> Usage.tf32
            | Csv _ -> "write the table to this file as CSV; - for stdout, with all else on stderr"
            | Json -> Usage.json

[<RequireQualifiedAccess>]
type SummaryArgument =
    | [<Unique>] Model of string
    | Hparam of string
    | [<Unique>] Weights of string
    | [<Unique>] Checkpoint of string
    | [<Unique>] Input of string
    | [<Unique>] Json

    interface IArgParserTemplate with
        member argument.Usage =
            match argument with
            | Model _ -> Usage.model
            | Hparam _ -> Usage.hparam
            | Weights _ -> Usage.weights
            | Checkpoint _ -> Usage.checkpoint
            | Input _ -> "channels, height and width of one image (default: 3x32x32)"
            | Json -> Usage.json

[<RequireQualifiedAccess>]
type ExportArgument =
    | [<Unique>] Checkpoint of string
    | [<Unique>] To of string
    | [<Unique>] Model of string
    | Hparam of string
    | [<Unique>] Weights of string
    | [<Unique>] Json

    interface IArgParserTemplate with
        member argument.Usage =
            match argument with
            | Checkpoint _ -> Usage.checkpoint
            | To _ ->
                "file to write; its ending decides: .safetensors, .pt (a state dict), .ckpt (PyTorch Lightning reads it), .svg (a diagram of the network)"
            | Model _ -> "the network, where the checkpoint does not name it"
            | Hparam _ -> Usage.hparam
            | Weights _ -> Usage.weights
            | Json -> Usage.json
