namespace Hybrid.Command

open Argu

[<RequireQualifiedAccess>]
type Verb =
    | [<CliPrefix(CliPrefix.None)>] Train of ParseResults<TrainArgument>
    | [<CliPrefix(CliPrefix.None)>] Test of ParseResults<TestArgument>
    | [<CliPrefix(CliPrefix.None)>] Predict of ParseResults<PredictArgument>
    | [<CliPrefix(CliPrefix.None)>] Summary of ParseResults<SummaryArgument>
    | [<CliPrefix(CliPrefix.None)>] Export of ParseResults<ExportArgument>
    | [<CliPrefix(CliPrefix.None)>] Compare of ParseResults<CompareArgument>
    | [<CliPrefix(CliPrefix.None)>] Bench of ParseResults<BenchArgument>
    | [<CliPrefix(CliPrefix.None)>] Doctor of ParseResults<DoctorArgument>
    | [<Unique>] Version

    interface IArgParserTemplate with
        member verb.Usage =
            match verb with
            | Train _ -> "fit a model, keep the best, test it, write the run's folder"
            | Test _ -> "evaluate a checkpoint on a split"
            | Predict _ -> "the most probable classes of picture files or folders"
            | Summary _ -> "layers, shapes, parameters and multiply-adds; nothing is allocated"
            | Export _ -> "write a checkpoint in another format, or draw its network"
            | Compare _ -> "several models under one protocol, as one table"
            | Bench _ -> "images per second of training, inference and the input pipeline on this machine"
            | Doctor _ -> "what was found on this machine, and what to do about what is missing"
            | Version -> "print the version"
