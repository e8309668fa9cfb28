namespace Hybrid.Command

open Argu
open FSharp.Reflection

/// Every option of every verb, for Argu, which tells options from values and from words of another kind. Its grammar is
/// a type and can't be made of rows, so this one says nothing but names (a test holds them to the rows'). All values are
/// text and may be missing, so that rows read them and one mistake does not hide the others.
[<RequireQualifiedAccess>]
type Argument =
    | Accept_Changed_Data
    | Accumulate of string option
    | Against of string option
    | Alpha of string option
    | Augment of string option
    | Batch_Size of string option
    | Betas of string option
    | Body_Lr_Factor of string option
    | Checkpoint of string option
    | Checkpoints of string option
    | Clip_Norm of string option
    | Clip_Value of string option
    | Config of string option
    | Csv of string option
    | Dampening of string option
    | Data of string option
    | Device of string option
    | Div_Factor of string option
    | Ema of string option
    | Epochs of string option
    | Eps of string option
    | Fast_Dev_Run
    | Final_Div_Factor of string option
    | Find_Lr
    | Fold
    | Freeze_Body of string option
    | Gamma of string option
    | Hparam of string option
    | Image_Size of string option
    | Init of string option
    | Input of string option
    | Json
    | Label_Smoothing of string option
    | Libtorch of string option
    | Limit_Test of string option
    | Limit_Train of string option
    | Limit_Val of string option
    | Log_Every of string option
    | Lr of string option
    | Lr_Monitor of string option
    | Max_Steps of string option
    | Milestones of string option
    | Min_Delta of string option
    | Min_Lr of string option
    | Mode of string option
    | Model of string option
    | Models of string option
    | Momentum of string option
    | Monitor of string option
    | Nesterov
    | No_Drop_Last
    | No_Save_Last
    | No_Shuffle
    | Opset of string option
    | Optimizer of string option
    | Out of string option
    | Overfit_Batches of string option
    | Patience of string option
    | Pct_Start of string option
    | Precision of string option
    | Refuse_Broken
    | Repeats of string option
    | Resume of string option
    | Save_Every of string option
    | Save_Full_State
    | Save_Top_K of string option
    | Schedule of string option
    | Seconds of string option
    | Seed of string option
    | Split of string option
    | Split_Seed of string option
    | Tf32
    | Threads of string option
    | To of string option
    | Top of string option
    | Trim_Memory
    | Val_Size of string option
    | Warmup_Epochs of string option
    | Warmup_Start of string option
    | Weight_Decay of string option
    | Weights of string option
    | With_Preprocessing
    | Worker of string option

    interface IArgParserTemplate with
        member _.Usage = ""

[<RequireQualifiedAccess>]
module internal Argument =

    let private named (case: UnionCaseInfo) = case.Name.ToLowerInvariant().Replace('_', '-')

    /// Names of all options without their dashes, and whether each takes a value.
    let private names =
        Map [ for case in FSharpType.GetUnionCases typeof<Argument> -> named case, case.GetFields().Length > 0 ]

    let isKnown name = names.ContainsKey name

    let isFlag name = Map.tryFind name names = Some false

    let private parser =
        lazy ArgumentParser.Create<Argument>(programName = "hybrid", checkStructure = false)

    /// The options of some words in their order, each with its value if it has one, and the words that are none.
    let read (words: string array) : (string * string option) list * string list =
        let results =
            parser.Value.ParseCommandLine(words, ignoreMissing = true, ignoreUnrecognized = true, raiseOnUsage = false)

        let option argument =
            match FSharpValue.GetUnionFields(argument, typeof<Argument>) with
            | case, [| :? (string option) as text |] -> named case, text
            | case, _ -> named case, (if isFlag (named case) then Some "true" else None)

        List.map option (results.GetAllResults()), results.UnrecognizedCliParams
