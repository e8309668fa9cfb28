namespace Hybrid.Command

open System
open Argu
open Hybrid

/// What `train` and `compare` are asked for.
module internal TrainOptions =

    let private optimizer = Value.oneOf "optimizer" Recipe.optimizers

    let private changes (args: ParseResults<TrainArgument>) =
        check {
            let! epochs = args.TryGetResult TrainArgument.Epochs |> optional (Value.atLeast 1 "--epochs")
            let! maxSteps = args.TryGetResult TrainArgument.Max_Steps |> optional (Value.atLeast 1L "--max-steps")
            let! batchSize = args.TryGetResult TrainArgument.Batch_Size |> optional (Value.atLeast 1 "--batch-size")
            let! optimizer = args.TryGetResult TrainArgument.Optimizer |> optional optimizer
            let! rate = args.TryGetResult TrainArgument.Lr |> optional (Value.positive "--lr")

            let! momentum =
                args.TryGetResult TrainArgument.Momentum |> optional (Value.within 0.0 0.9999 "--momentum")

            let! decay =
                args.TryGetResult TrainArgument.Weight_Decay |> optional (Value.within 0.0 1.0 "--weight-decay")

            let! gamma = args.TryGetResult TrainArgument.Gamma |> optional (Value.positive "--gamma")
            let! milestones = args.TryGetResult TrainArgument.Milestones |> optional (Value.epochs "--milestones")
            let! logEvery = args.TryGetResult TrainArgument.Log_Every |> optional (Value.atLeast 1 "--log-every")

            let! augment =
                args.TryGetResult TrainArgument.Augment |> optional (Value.oneOf "augmentation" Augment.named)

            let! schedule =
                args.TryGetResult TrainArgument.Schedule
                |> optional (Value.oneOf "schedule" [ for word in [ "constant"; "milestones" ] -> word, word ])

            let! smoothing =
                args.TryGetResult TrainArgument.Label_Smoothing
                |> optional (Value.within 0.0 0.9999 "--label-smoothing")

            return {
                Epochs = epochs
                MaxSteps = maxSteps
                BatchSize = batchSize
                Optimizer = optimizer
                LearningRate = rate
                Momentum = momentum
                WeightDecay = decay
                Nesterov = args.Contains TrainArgument.Nesterov
                Schedule = schedule
                Milestones = milestones
                Gamma = gamma
                LabelSmoothing = smoothing
                Augment = augment
                KeepOrder = args.Contains TrainArgument.No_Shuffle
                KeepLast = args.Contains TrainArgument.No_Drop_Last
                Seed = args.TryGetResult TrainArgument.Seed
                LogEvery = logEvery
            }
        }

    /// A run is taken up again as it was started: beside its place and the form of the output nothing can be said.
    let resume (args: ParseResults<TrainArgument>) (run: string option) =
        let others =
            args.GetAllResults()
            |> List.filter (function
                | TrainArgument.Resume _
                | TrainArgument.Out _
                | TrainArgument.Json -> false
                | _ -> true)

        if others.IsEmpty then
            Ok {
                Run = run |> Option.orElse (args.TryGetResult TrainArgument.Out) |> Option.defaultValue ""
                ResumeRequest.Json = args.Contains TrainArgument.Json
            }
        else
            Error "--resume goes on with a run as it was started: of the other options only --out and --json go with it"

    let train (arguments: string array) (args: ParseResults<TrainArgument>) =
        check {
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

            let! monitor =
                monitor
                    (args.TryGetResult TrainArgument.Monitor)
                    (args.TryGetResult TrainArgument.Mode)
                    (args.TryGetResult TrainArgument.Patience)

            let! changes = changes args
            let! saveEvery = Value.atLeast 1 "--save-every" (args.GetResult(TrainArgument.Save_Every, 100))

            return {
                Data = data
                Model = model
                Machine = machine
                Changes = changes
                Monitor = monitor
                Init = args.GetResult(TrainArgument.Init, "")
                SaveEvery = saveEvery
                Out = args.GetResult(TrainArgument.Out, "")
                Json = args.Contains TrainArgument.Json
                Arguments = arguments
            }
        }

    let compare (args: ParseResults<CompareArgument>) =
        check {
            let given = args.GetResult(CompareArgument.Models, String.concat "," Catalogue.names)

            let names =
                given.Split([| ',' |], StringSplitOptions.RemoveEmptyEntries ||| StringSplitOptions.TrimEntries)
                |> List.ofArray

            let! models = names |> List.map (fun name -> Catalogue.find name []) |> all
            let! models = if models.IsEmpty then Error "--models names no model" else Ok models

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

            let! batchSize =
                args.TryGetResult CompareArgument.Batch_Size |> optional (Value.atLeast 1 "--batch-size")

            let! machine =
                machine
                    (args.TryGetResult CompareArgument.Device)
                    (args.TryGetResult CompareArgument.Precision)
                    (args.TryGetResult CompareArgument.Threads)
                    (args.Contains CompareArgument.Trim_Memory)

            let! monitor = monitor None None None

            return {
                Models = [| for model in models -> model.Name |]
                Checkpoints = args.GetResult(CompareArgument.Checkpoints, "")
                Train = {
                    Data = data
                    Model = { Name = ""; Hparams = [||] }
                    Machine = machine
                    Changes = {
                        RecipeChanges.none with
                            Epochs = epochs
                            BatchSize = batchSize
                            Seed = args.TryGetResult CompareArgument.Seed
                    }
                    Monitor = monitor
                    Init = ""
                    SaveEvery = 100
                    Out = args.GetResult(CompareArgument.Out, "")
                    Json = args.Contains CompareArgument.Json
                    Arguments = [||]
                }
            }
        }
