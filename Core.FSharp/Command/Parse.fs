namespace Hybrid.Command

open System
open Argu
open Hybrid

/// Results one after the other, up to the first error.
type private Checked() =
    member _.Bind(result, next) = Result.bind next result
    member _.Return value = Ok value
    member _.ReturnFrom(result: Result<_, string>) = result

/// From the command line to a request.
[<RequireQualifiedAccess>]
module Parse =

    let private check = Checked()

    let private all (results: Result<'a, string> list) : Result<'a list, string> =
        List.foldBack
            (fun one all -> Result.bind (fun head -> Result.map (fun tail -> head :: tail) all) one)
            results
            (Ok [])

    let private machine device precision threads trim =
        check {
            let! device = Value.device (Option.defaultValue "auto" device)
            let! precision = Value.precision (Option.defaultValue "float32" precision)
            let! threads = threads |> Option.map (Value.atLeast 1 "--threads") |> Option.defaultValue (Ok 0)

            return { Device = device; Precision = precision; Threads = threads; TrimMemory = trim }
        }

    let private data source valSize splitSeed limits =
        let limit name = Option.map (Value.atLeast 1 name) >> Option.defaultValue (Ok -1)
        let train, validation, test = limits

        check {
            let! source = source |> Option.map Value.source |> Option.defaultValue (Ok DataSource.Shapes)

            let! valSize =
                valSize
                |> Option.map (Value.atLeast 0 "--val-size" >> Result.map Nullable)
                |> Option.defaultValue (Ok(Nullable()))

            let! train = limit "--limit-train" train
            let! validation = limit "--limit-val" validation
            let! test = limit "--limit-test" test

            return {
                Source = source
                ValSize = valSize
                SplitSeed = Option.defaultValue 42L splitSeed
                LimitTrain = train
                LimitVal = validation
                LimitTest = test
                Size = struct (32, 32)
                RefuseBroken = false
            }
        }

    /// What is asked of pictures from folders.
    let private pictures size refuseBroken (data: DataRequest) =
        match Option.map Value.imageSize size, data.Source with
        | Some(Error message), _ -> Error message
        | Some _, (DataSource.Shapes | DataSource.Cifar10 _ | DataSource.Cifar100 _) ->
            Error $"--image-size is for folders of pictures: {data.Source} has a size of its own"
        | Some(Ok size), _ -> Ok { data with Size = size; RefuseBroken = refuseBroken }
        | None, _ -> Ok { data with RefuseBroken = refuseBroken }

    let private model name hparams =
        all (List.map Value.pair hparams)
        |> Result.map (fun pairs -> { Name = Option.defaultValue "" name; Hparams = Array.ofList pairs })

    let private monitor metric mode patience =
        check {
            let! metric =
                Value.oneOf
                    "metric to monitor"
                    [ for word in [ "val_acc"; "val_loss"; "train_acc"; "train_loss" ] -> word, word ]
                    (Option.defaultValue "val_acc" metric)

            let! higher =
                match mode with
                | Some mode -> Value.oneOf "mode" [ "max", true; "min", false ] mode
                | None -> Ok(metric.EndsWith "acc")

            let! patience = patience |> Option.map (Value.atLeast 1 "--patience") |> Option.defaultValue (Ok 0)

            return { Metric = metric; HigherIsBetter = higher; Patience = patience }
        }

    let private optional (read: 'a -> Result<'b, string>) (given: 'a option) : Result<'b option, string> =
        match given with
        | Some value -> Result.map Some (read value)
        | None -> Ok None

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
                |> optional (Value.oneOf "schedule" [ for word in Schedule.named -> word, word ])

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
    let private resume (args: ParseResults<TrainArgument>) (run: string option) =
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

    let private train (arguments: string array) (args: ParseResults<TrainArgument>) =
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

    let private required option what (given: string option) =
        match given with
        | Some value when value <> "" -> Ok value
        | _ -> Error $"{option} is missing: {what}"

    let private split =
        Value.oneOf "split" [ for split in [ Split.Train; Split.Val; Split.Test ] -> string split, split ]

    let private test (args: ParseResults<TestArgument>) =
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

            let! model = model (args.TryGetResult TestArgument.Model) (args.GetResults TestArgument.Hparam)
            let! split = split (args.GetResult(TestArgument.Split, "test"))
            let! batchSize = Value.atLeast 1 "--batch-size" (args.GetResult(TestArgument.Batch_Size, 128))

            let! machine =
                machine
                    (args.TryGetResult TestArgument.Device)
                    (args.TryGetResult TestArgument.Precision)
                    (args.TryGetResult TestArgument.Threads)
                    (args.Contains TestArgument.Trim_Memory)

            return {
                Checkpoint = checkpoint
                Data = data
                SourceGiven = args.Contains TestArgument.Data
                Split = split
                Model = model
                BatchSize = batchSize
                Machine = machine
                Json = args.Contains TestArgument.Json
            }
        }

    let private predict (args: ParseResults<PredictArgument>) =
        check {
            let! checkpoint =
                args.TryGetResult PredictArgument.Checkpoint |> required "--checkpoint" "the file to predict with"

            let! files =
                match args.TryGetResult PredictArgument.Files with
                | Some(_ :: _ as files) -> Ok files
                | _ -> Error "nothing to predict: name picture files or folders"

            let! top = Value.atLeast 1 "--top" (args.GetResult(PredictArgument.Top, 5))
            let! data = data (args.TryGetResult PredictArgument.Data) None None (None, None, None)
            let! model = model (args.TryGetResult PredictArgument.Model) (args.GetResults PredictArgument.Hparam)
            let! batchSize = Value.atLeast 1 "--batch-size" (args.GetResult(PredictArgument.Batch_Size, 128))

            let! machine =
                machine
                    (args.TryGetResult PredictArgument.Device)
                    (args.TryGetResult PredictArgument.Precision)
                    (args.TryGetResult PredictArgument.Threads)
                    (args.Contains PredictArgument.Trim_Memory)

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

    let private summary (args: ParseResults<SummaryArgument>) =
        check {
            let! model = model (args.TryGetResult SummaryArgument.Model) (args.GetResults SummaryArgument.Hparam)
            let! input = Value.shape (args.GetResult(SummaryArgument.Input, "3x32x32"))

            return {
                SummaryRequest.Model = model
                Checkpoint = args.GetResult(SummaryArgument.Checkpoint, "")
                Input = input
                Json = args.Contains SummaryArgument.Json
            }
        }

    let private export (args: ParseResults<ExportArgument>) =
        check {
            let! checkpoint =
                args.TryGetResult ExportArgument.Checkpoint |> required "--checkpoint" "the file to read"

            let! target = args.TryGetResult ExportArgument.To |> required "--to" "the file to write"
            let! model = model (args.TryGetResult ExportArgument.Model) (args.GetResults ExportArgument.Hparam)

            return {
                Checkpoint = checkpoint
                To = target
                Model = model
                Json = args.Contains ExportArgument.Json
            }
        }

    /// Words separated by commas.
    let private words (text: string) =
        text.Split([| ',' |], StringSplitOptions.RemoveEmptyEntries ||| StringSplitOptions.TrimEntries)
        |> List.ofArray

    let private bench (args: ParseResults<BenchArgument>) =
        check {
            let given = args.GetResult(BenchArgument.Models, String.concat "," Catalogue.names)
            let! models = words given |> List.map (fun name -> Catalogue.find name []) |> all
            let! models = if models.IsEmpty then Error "--models names no model" else Ok models
            let! batchSize = Value.atLeast 2 "--batch-size" (args.GetResult(BenchArgument.Batch_Size, 128))
            let! repeats = Value.atLeast 1 "--repeats" (args.GetResult(BenchArgument.Repeats, 5))
            let! seconds = Value.positive "--seconds" (args.GetResult(BenchArgument.Seconds, 1.0))

            let! against =
                words (args.GetResult(BenchArgument.Against, ""))
                |> List.map (Value.oneOf "comparison" [ for word in [ "naive"; "pytorch" ] -> word, word ])
                |> all

            let! machine =
                machine
                    (args.TryGetResult BenchArgument.Device)
                    (args.TryGetResult BenchArgument.Precision)
                    (args.TryGetResult BenchArgument.Threads)
                    (args.Contains BenchArgument.Trim_Memory)

            return {
                BenchRequest.Models = [| for model in models -> model.Name |]
                BatchSize = batchSize
                Machine = machine
                Repeats = repeats
                Seconds = seconds
                Against = Array.ofList (List.distinct against)
                Worker = args.GetResult(BenchArgument.Worker, "")
                Json = args.Contains BenchArgument.Json
            }
        }

    let private compare (args: ParseResults<CompareArgument>) =
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

    let private doctor (args: ParseResults<DoctorArgument>) =
        machine
            (args.TryGetResult DoctorArgument.Device)
            None
            (args.TryGetResult DoctorArgument.Threads)
            (args.Contains DoctorArgument.Trim_Memory)
        |> Result.map (fun machine -> { DoctorRequest.Machine = machine; Json = args.Contains DoctorArgument.Json })

    let private answer verb make (result: Result<'a, string>) =
        match result with
        | Ok request -> make request
        | Error message -> Request.Wrong $"{message}\nSee 'hybrid {verb} --help'."

    let private parser =
        lazy
            ArgumentParser.Create<Verb>(
                programName = "hybrid",
                helpTextMessage = "Trains, evaluates and exports convolutional image classifiers.",
                usageStringCharacterWidth = 100,
                checkStructure = false
            )

    /// Names of the verbs, or of a verb's options.
    let private names (verb: string option) : string list =
        let parser = parser.Value

        let cases =
            match verb with
            | None -> parser.GetArgumentCases()
            | Some verb ->
                parser.GetSubCommandParsers()
                |> List.filter (fun sub ->
                    sub.ParentInfo |> Option.exists (fun info -> List.contains verb info.CommandLineNames.Value))
                |> List.collect (fun sub -> sub.GetArgumentCases())

        cases |> List.collect (fun case -> case.CommandLineNames.Value)

    /// The first line of Argu's message, which pages of usage follow, with the word that was probably meant.
    let private explain (arguments: string array) (message: string) =
        let first = message.Split '\n' |> Array.head
        let problem = first.Replace("ERROR: ", "").TrimEnd([| ' '; '.'; '\r' |])
        let verb = Array.tryHead arguments |> Option.filter (fun word -> List.contains word (names None))

        let hint =
            match problem.Split '\'' with
            | [| before; given; _ |] when before.Contains "unrecognized" ->
                Suggest.nearest (names verb) given |> Option.map (fun word -> $"; did you mean {word}?")
            | _ -> None

        let help =
            match verb with
            | Some verb -> $"hybrid {verb} --help"
            | None -> "hybrid --help"

        $"{problem}{Option.defaultValue String.Empty hint}\nSee '{help}'."

    let private request arguments (verb: Verb) =
        match verb with
        | Verb.Train args ->
            match args.TryGetResult TrainArgument.Resume with
            | Some run -> resume args run |> answer "train" Request.Resume
            | None -> train arguments args |> answer "train" Request.Train
        | Verb.Test args -> test args |> answer "test" Request.Test
        | Verb.Predict args -> predict args |> answer "predict" Request.Predict
        | Verb.Summary args -> summary args |> answer "summary" Request.Summary
        | Verb.Export args -> export args |> answer "export" Request.Export
        | Verb.Compare args -> compare args |> answer "compare" Request.Compare
        | Verb.Bench args -> bench args |> answer "bench" Request.Bench
        | Verb.Doctor args -> doctor args |> answer "doctor" Request.Doctor
        | Verb.Version ->
            let version = typeof<Request>.Assembly.GetName().Version
            Request.Show $"hybrid {version.Major}.{version.Minor}.{version.Build}"

    /// Reads a command line, without the program's name. Never fails: what is wrong is a request too.
    let commandLine (arguments: string array) : Request =
        try
            if arguments.Length = 0 then
                Request.Show(parser.Value.PrintUsage())
            else
                let results = parser.Value.ParseCommandLine(arguments, raiseOnUsage = true)

                match results.GetAllResults() with
                | [ verb ] -> request arguments verb
                | _ -> Request.Wrong "expected one verb\nSee 'hybrid --help'."
        with :? ArguParseException as problem ->
            if problem.ErrorCode = ErrorCode.HelpText then
                Request.Show problem.Message
            else
                Request.Wrong(explain arguments problem.Message)

    /// A source of data as `--data` names it.
    let source (text: string) : Result<DataSource, string> = Value.source text
