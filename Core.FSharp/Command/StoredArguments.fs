namespace Hybrid.Command

open Argu
open Hybrid

/// The command line that a run's state holds. It came from a file: what it may say is listed here, option by option, and
/// nothing that is on the list loads or starts anything.
[<RequireQualifiedAccess>]
module internal StoredArguments =

    /// More words than any command line needs, and more characters than any path and name in it.
    let private mostWords, mostCharacters = 1000, 100_000

    type private Kind =
        /// Decides the network, its data or its training, and belongs to the run.
        | OfTheRun
        /// Says where a run is computed, where it writes and how it speaks: for each process anew.
        | OfTheProcess
        /// Has no meaning for a run that is taken up again.
        | OfAStart

    // No wildcard: a new option is refused in a file until somebody has thought about it here.
    let private kind (argument: TrainArgument) =
        match argument with
        | TrainArgument.Data _
        | TrainArgument.Val_Size _
        | TrainArgument.Split_Seed _
        | TrainArgument.Limit_Train _
        | TrainArgument.Limit_Val _
        | TrainArgument.Limit_Test _
        | TrainArgument.Overfit_Batches _
        | TrainArgument.Image_Size _
        | TrainArgument.Refuse_Broken
        | TrainArgument.Model _
        | TrainArgument.Hparam _
        | TrainArgument.Init _
        | TrainArgument.Weights _
        | TrainArgument.Freeze_Body
        | TrainArgument.Save_Every _
        | TrainArgument.Save_Top_K _
        | TrainArgument.Save_Full_State
        | TrainArgument.No_Save_Last
        | TrainArgument.Epochs _
        | TrainArgument.Max_Steps _
        | TrainArgument.Batch_Size _
        | TrainArgument.Accumulate _
        | TrainArgument.Optimizer _
        | TrainArgument.Lr _
        | TrainArgument.Momentum _
        | TrainArgument.Dampening _
        | TrainArgument.Nesterov
        | TrainArgument.Betas _
        | TrainArgument.Alpha _
        | TrainArgument.Eps _
        | TrainArgument.Weight_Decay _
        | TrainArgument.Schedule _
        | TrainArgument.Milestones _
        | TrainArgument.Gamma _
        | TrainArgument.Min_Lr _
        | TrainArgument.Pct_Start _
        | TrainArgument.Div_Factor _
        | TrainArgument.Final_Div_Factor _
        | TrainArgument.Warmup_Epochs _
        | TrainArgument.Warmup_Start _
        | TrainArgument.Clip_Norm _
        | TrainArgument.Clip_Value _
        | TrainArgument.Ema _
        | TrainArgument.Label_Smoothing _
        | TrainArgument.Augment _
        | TrainArgument.No_Shuffle
        | TrainArgument.No_Drop_Last
        | TrainArgument.Monitor _
        | TrainArgument.Mode _
        | TrainArgument.Patience _
        | TrainArgument.Min_Delta _
        | TrainArgument.Log_Every _
        | TrainArgument.Lr_Monitor _
        | TrainArgument.Seed _
        | TrainArgument.Precision _
        | TrainArgument.Tf32 -> OfTheRun
        | TrainArgument.Out _
        | TrainArgument.Device _
        | TrainArgument.Threads _
        | TrainArgument.Trim_Memory
        | TrainArgument.Libtorch _
        | TrainArgument.Json -> OfTheProcess
        | TrainArgument.Resume _
        | TrainArgument.Accept_Changed_Data
        | TrainArgument.Fast_Dev_Run
        | TrainArgument.Find_Lr -> OfAStart

    let private name (args: ParseResults<TrainArgument>) (argument: TrainArgument) =
        args.Parser.GetArgumentCaseInfo(argument).CommandLineNames.Value |> List.head

    /// The words of a command line that are stored with its run. They are written once more from what was read, so that
    /// no way of spelling an option slips through.
    let ofRun (args: ParseResults<TrainArgument>) : string array =
        let own = args.GetAllResults() |> List.filter (fun argument -> kind argument <> OfTheProcess)
        [| "train"; yield! args.Parser.PrintCommandLineArguments own |]

    /// The same for the runs of a comparison, each of which goes on by itself: the words of `train` that say what they
    /// have in common.
    let ofComparison (args: ParseResults<CompareArgument>) : string array = [|
        "train"

        for argument in args.GetAllResults() do
            match argument with
            | CompareArgument.Data text -> yield! [ "--data"; text ]
            | CompareArgument.Val_Size text -> yield! [ "--val-size"; text ]
            | CompareArgument.Split_Seed text -> yield! [ "--split-seed"; text ]
            | CompareArgument.Limit_Train text -> yield! [ "--limit-train"; text ]
            | CompareArgument.Limit_Val text -> yield! [ "--limit-val"; text ]
            | CompareArgument.Limit_Test text -> yield! [ "--limit-test"; text ]
            | CompareArgument.Image_Size text -> yield! [ "--image-size"; text ]
            | CompareArgument.Refuse_Broken -> "--refuse-broken"
            | CompareArgument.Epochs text -> yield! [ "--epochs"; text ]
            | CompareArgument.Batch_Size text -> yield! [ "--batch-size"; text ]
            | CompareArgument.Seed text -> yield! [ "--seed"; text ]
            | CompareArgument.Precision text -> yield! [ "--precision"; text ]
            | CompareArgument.Tf32 -> "--tf32"
            | CompareArgument.Models _
            | CompareArgument.Checkpoints _
            | CompareArgument.Out _
            | CompareArgument.Device _
            | CompareArgument.Threads _
            | CompareArgument.Trim_Memory
            | CompareArgument.Libtorch _
            | CompareArgument.Json -> ()
    |]

    /// The first thing in a stored command line that may not be there.
    let check (args: ParseResults<TrainArgument>) : Result<unit, string> =
        args.GetAllResults()
        |> List.tryFind (fun argument -> kind argument <> OfTheRun)
        |> function
            | None -> Ok()
            | Some argument when kind argument = OfTheProcess ->
                Error $"{name args argument} is never taken from a file: it belongs on the command line of each process"
            | Some argument -> Error $"{name args argument} has no place in a stored command line"

    /// Bounds what is handed to the reader of command lines.
    let bound (arguments: string array) : Result<unit, string> =
        if arguments.Length > mostWords || Array.sumBy String.length arguments > mostCharacters then
            Error $"a stored command line has at most {mostWords} words of {mostCharacters} characters in all"
        else
            Ok()
