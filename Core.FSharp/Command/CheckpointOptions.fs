namespace Hybrid.Command

open Argu

/// What the verbs that read a checkpoint are asked for, and `summary`, which may.
module internal CheckpointOptions =

    let private split =
        Value.oneOf "split" [ for split in [ Split.Train; Split.Val; Split.Test ] -> string split, split ]

    let test (args: ParseResults<TestArgument>) =
        check {
            let! checkpoint = args.TryGetResult TestArgument.Checkpoint |> required "--checkpoint" "the file to test"

            let! data =
                data
                    (args.TryGetResult TestArgument.Data)
                    (args.TryGetResult TestArgument.Val_Size)
                    (args.TryGetResult TestArgument.Split_Seed)
                    (args.TryGetResult TestArgument.Limit_Train,
                     args.TryGetResult TestArgument.Limit_Val,
                     args.TryGetResult TestArgument.Limit_Test)

            let! data = pictures None (args.Contains TestArgument.Refuse_Broken) data

            let! model =
                storedModel
                    (args.TryGetResult TestArgument.Model)
                    (args.GetResults TestArgument.Hparam)
                    (args.TryGetResult TestArgument.Weights)

            let! split = split (args.GetResult(TestArgument.Split, "test"))
            let! batchSize = Value.atLeast 1 "--batch-size" (args.GetResult(TestArgument.Batch_Size, "128"))

            let! machine =
                machine
                    (args.TryGetResult TestArgument.Device)
                    (args.TryGetResult TestArgument.Precision)
                    (args.TryGetResult TestArgument.Threads)
                    (args.Contains TestArgument.Trim_Memory)
                    (args.TryGetResult TestArgument.Libtorch)
                    (args.Contains TestArgument.Tf32)

            return {
                Checkpoint = checkpoint
                Data = data
                SourceGiven = args.Contains TestArgument.Data
                Split = split
                AcceptChangedData = args.Contains TestArgument.Accept_Changed_Data
                Model = model
                BatchSize = batchSize
                Machine = machine
                Json = args.Contains TestArgument.Json
            }
        }

    let predict (args: ParseResults<PredictArgument>) =
        check {
            let! checkpoint =
                args.TryGetResult PredictArgument.Checkpoint |> required "--checkpoint" "the file to predict with"

            let! files =
                match args.TryGetResult PredictArgument.Files with
                | Some(_ :: _ as files) -> Ok files
                | _ -> Error "nothing to predict: name picture files or folders"

            let! top = Value.atLeast 1 "--top" (args.GetResult(PredictArgument.Top, "5"))
            let! data = data (args.TryGetResult PredictArgument.Data) None None (None, None, None)

            let! model =
                storedModel
                    (args.TryGetResult PredictArgument.Model)
                    (args.GetResults PredictArgument.Hparam)
                    (args.TryGetResult PredictArgument.Weights)

            let! batchSize = Value.atLeast 1 "--batch-size" (args.GetResult(PredictArgument.Batch_Size, "128"))

            let! machine =
                machine
                    (args.TryGetResult PredictArgument.Device)
                    (args.TryGetResult PredictArgument.Precision)
                    (args.TryGetResult PredictArgument.Threads)
                    (args.Contains PredictArgument.Trim_Memory)
                    (args.TryGetResult PredictArgument.Libtorch)
                    (args.Contains PredictArgument.Tf32)

            let! csv =
                match args.TryGetResult PredictArgument.Csv with
                | Some "" -> Error "--csv names no file; - stands for stdout"
                | Some "-" when args.Contains PredictArgument.Json -> Error "--csv - and --json both want stdout"
                | csv -> Ok(Option.defaultValue "" csv)

            return {
                Checkpoint = checkpoint
                Files = Array.ofList files
                Top = top
                Data = data
                SourceGiven = args.Contains PredictArgument.Data
                Model = model
                BatchSize = batchSize
                Machine = machine
                Csv = csv
                Json = args.Contains PredictArgument.Json
            }
        }

    let summary (args: ParseResults<SummaryArgument>) =
        check {
            let! model =
                storedModel
                    (args.TryGetResult SummaryArgument.Model)
                    (args.GetResults SummaryArgument.Hparam)
                    (args.TryGetResult SummaryArgument.Weights)

            let! input = Value.shape (args.GetResult(SummaryArgument.Input, "3x32x32"))

            return {
                SummaryRequest.Model = model
                Checkpoint = args.GetResult(SummaryArgument.Checkpoint, "")
                Input = input
                Json = args.Contains SummaryArgument.Json
            }
        }

    let export (args: ParseResults<ExportArgument>) =
        check {
            let! checkpoint =
                args.TryGetResult ExportArgument.Checkpoint |> required "--checkpoint" "the file to read"

            let! target = args.TryGetResult ExportArgument.To |> required "--to" "the file to write"

            let! model =
                storedModel
                    (args.TryGetResult ExportArgument.Model)
                    (args.GetResults ExportArgument.Hparam)
                    (args.TryGetResult ExportArgument.Weights)

            return {
                Checkpoint = checkpoint
                To = target
                Model = model
                Json = args.Contains ExportArgument.Json
            }
        }
