namespace Hybrid.Command

open Argu
open Hybrid

/// What `train` and `compare` are asked for.
module internal TrainOptions =

    /// What a run is told when it is taken up again: its place, the machine, and the form of the output. All else is as
    /// it was started.
    let private ofResume (argument: TrainArgument) =
        match argument with
        | TrainArgument.Resume _
        | TrainArgument.Data _
        | TrainArgument.Accept_Changed_Data
        | TrainArgument.Out _
        | TrainArgument.Device _
        | TrainArgument.Threads _
        | TrainArgument.Trim_Memory
        | TrainArgument.Libtorch _
        | TrainArgument.Json -> true
        | _ -> false

    let private isLength argument =
        match argument with
        | TrainArgument.Epochs _
        | TrainArgument.Max_Steps _ -> true
        | _ -> false

    let private refusal =
        "--resume goes on with a run as it was started: of the other options only --data (where its data "
        + "lies now), --accept-changed-data, --out, --device, --threads, --trim-memory, --libtorch and --json go with it"

    let resume (args: ParseResults<TrainArgument>) (run: string option) =
        check {
            let run = run |> Option.orElse (args.TryGetResult TrainArgument.Out) |> Option.defaultValue ""
            let others = args.GetAllResults() |> List.filter (ofResume >> not)
            do! if others |> List.forall isLength then Ok() else Error refusal

            let! machine =
                machine
                    (args.TryGetResult TrainArgument.Device)
                    None
                    (args.TryGetResult TrainArgument.Threads)
                    (args.Contains TrainArgument.Trim_Memory)
                    (args.TryGetResult TrainArgument.Libtorch)
                    false

            let data = args.GetResult(TrainArgument.Data, "")
            do! if data = "" then Ok() else Value.source data |> Result.map ignore

            return {
                Run = run
                ResumeRequest.Data = data
                AcceptChangedData = args.Contains TrainArgument.Accept_Changed_Data
                Longer = not others.IsEmpty
                Machine = machine
                ResumeRequest.Json = args.Contains TrainArgument.Json
            }
        }

    let train (args: ParseResults<TrainArgument>) =
        check {
            do!
                if args.Contains TrainArgument.Accept_Changed_Data then
                    Error "--accept-changed-data is of --resume: a new run has no data that could have changed"
                else
                    Ok()

            let! data =
                data
                    (args.TryGetResult TrainArgument.Data)
                    (args.TryGetResult TrainArgument.Val_Size)
                    (args.TryGetResult TrainArgument.Split_Seed)
                    (args.TryGetResult TrainArgument.Limit_Train,
                     args.TryGetResult TrainArgument.Limit_Val,
                     args.TryGetResult TrainArgument.Limit_Test)

            let! data =
                pictures (args.TryGetResult TrainArgument.Image_Size) (args.Contains TrainArgument.Refuse_Broken) data

            let! model = model (args.TryGetResult TrainArgument.Model) (args.GetResults TrainArgument.Hparam)

            let! machine =
                machine
                    (args.TryGetResult TrainArgument.Device)
                    (args.TryGetResult TrainArgument.Precision)
                    (args.TryGetResult TrainArgument.Threads)
                    (args.Contains TrainArgument.Trim_Memory)
                    (args.TryGetResult TrainArgument.Libtorch)
                    (args.Contains TrainArgument.Tf32)

            let! monitor =
                monitor
                    (args.TryGetResult TrainArgument.Monitor)
                    (args.TryGetResult TrainArgument.Mode)
                    (args.TryGetResult TrainArgument.Patience)
                    (args.TryGetResult TrainArgument.Min_Delta)

            let! changes = RecipeOptions.changes args
            let init = args.GetResult(TrainArgument.Init, "")

            let! changes =
                if changes.FreezeBody && init = "" then
                    Error "--freeze-body trains the last layer on a body that --init brings: --init is missing"
                else
                    Ok changes

            let! model =
                match args.TryGetResult TrainArgument.Weights with
                | Some _ when init = "" -> Error "--weights is of --init, which is missing"
                | weights -> Ok { model with Weights = Option.defaultValue "" weights }

            let! save = SaveOptions.save args

            let! rateEachStep =
                args.TryGetResult TrainArgument.Lr_Monitor
                |> Option.defaultValue "epoch"
                |> Value.oneOf "interval of --lr-monitor" [ "epoch", false; "step", true ]

            let request = {
                Data = data
                Model = model
                Machine = machine
                Changes = changes
                Monitor = monitor
                Init = init
                Save = save
                LearningRateEachStep = rateEachStep
                FindBatchSize = args.Contains TrainArgument.Batch_Size && changes.BatchSize.IsNone
                FindRate = args.Contains TrainArgument.Find_Lr
                FastDevRun = false
                Out = args.GetResult(TrainArgument.Out, "")
                Json = args.Contains TrainArgument.Json
                Arguments = StoredArguments.ofRun args
            }

            let fast = args.Contains TrainArgument.Fast_Dev_Run

            let! overfit =
                args.TryGetResult TrainArgument.Overfit_Batches |> optional (Value.atLeast 1 "--overfit-batches")

            let! request = Found.check changes.LearningRate.IsSome (fast || overfit.IsSome) request
            return! Trial.apply fast overfit request
        }

    let compare (args: ParseResults<CompareArgument>) =
        check {
            let! models = models (args.TryGetResult CompareArgument.Models)

            let! data =
                data
                    (args.TryGetResult CompareArgument.Data)
                    (args.TryGetResult CompareArgument.Val_Size)
                    (args.TryGetResult CompareArgument.Split_Seed)
                    (args.TryGetResult CompareArgument.Limit_Train,
                     args.TryGetResult CompareArgument.Limit_Val,
                     args.TryGetResult CompareArgument.Limit_Test)

            let! data =
                pictures
                    (args.TryGetResult CompareArgument.Image_Size)
                    (args.Contains CompareArgument.Refuse_Broken)
                    data

            let! epochs = args.TryGetResult CompareArgument.Epochs |> optional (Value.atLeast 1 "--epochs")

            let! seed = args.TryGetResult CompareArgument.Seed |> optional (Value.seed "--seed")

            let! batchSize =
                args.TryGetResult CompareArgument.Batch_Size |> optional (Value.atLeast 1 "--batch-size")

            let! machine =
                machine
                    (args.TryGetResult CompareArgument.Device)
                    (args.TryGetResult CompareArgument.Precision)
                    (args.TryGetResult CompareArgument.Threads)
                    (args.Contains CompareArgument.Trim_Memory)
                    (args.TryGetResult CompareArgument.Libtorch)
                    (args.Contains CompareArgument.Tf32)

            let! monitor = monitor None None None None

            return {
                Models = models
                Checkpoints = args.GetResult(CompareArgument.Checkpoints, "")
                Train = {
                    Data = data
                    Model = { Name = ""; Hparams = [||]; Weights = "" }
                    Machine = machine
                    Changes = { RecipeChanges.none with Epochs = epochs; BatchSize = batchSize; Seed = seed }
                    Monitor = monitor
                    Init = ""
                    Save = SaveOptions.usual
                    LearningRateEachStep = false
                    FindBatchSize = false
                    FindRate = false
                    FastDevRun = false
                    Out = args.GetResult(CompareArgument.Out, "")
                    Json = args.Contains CompareArgument.Json
                    Arguments = StoredArguments.ofComparison args
                }
            }
        }
