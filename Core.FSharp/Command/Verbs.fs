namespace Hybrid.Command

open Hybrid

/// The verbs besides `train`.
module internal Verbs =

    let private verb name help : Verb = {
        Name = name
        Help = help
        Words = ""
        Groups = []
        Start = fun _ -> Draft.start
        Make = fun _ _ -> Error []
    }

    let private sourceGiven (given: Given) = GivenOption.has DataOptions.data.Name given.Settings

    let private lendingData =
        Row.helped
            "data that lends its normalisation and its classes' names to a checkpoint that has none: cifar10[:DIR], cifar100[:DIR], folder:DIR, shapes"
            DataOptions.data

    let private testedData =
        Row.helped
            "what to test on (default: what the checkpoint was trained on): shapes, cifar10[:DIR], cifar100[:DIR], folder:DIR"
            DataOptions.data

    let private acceptChanged =
        "--accept-changed-data  test on train or val of the data that the network was trained on although its pictures, or how they are divided, are no longer as they were (default: refused)"
        |> Row.flag (fun draft -> { draft with AcceptChangedData = true })

    let private missing name what given = [
        if given = "" then
            $"--{name} is missing: {what}"
    ]

    let private unless mistakes request = if List.isEmpty mistakes then Ok request else Error mistakes

    let private ofMachine = "Machine and output", MachineOptions.all

    let test = {
        verb "test" "evaluate a checkpoint on a split" with
            Groups = [
                "Checkpoint", ModelOptions.stored
                "Data",
                testedData :: DataOptions.split :: DataOptions.parts @ [ acceptChanged; RecipeOptions.batchSize ]
                ofMachine
            ]
            Make =
                fun given draft ->
                    Request.Test {
                        Checkpoint = draft.Checkpoint
                        Data = draft.Data
                        SourceGiven = sourceGiven given
                        Split = draft.Split
                        SplitSeedGiven = GivenOption.has "split-seed" given.Settings
                        AcceptChangedData = draft.AcceptChangedData
                        Model = draft.Network
                        BatchSize = draft.Training.BatchSize
                        Machine = draft.Machine
                        Json = draft.Json
                    }
                    |> unless (missing "checkpoint" "the file to test" draft.Checkpoint)
    }

    let predict = {
        verb "predict" "the most probable classes of picture files or folders" with
            Words =
                "FILE_OR_FOLDER...  pictures (JPEG, PNG, WebP, BMP or GIF), and folders whose pictures are meant, those of folders inside them too"
            Groups = [
                "Checkpoint", ModelOptions.stored @ [ lendingData ]
                "Predictions", RecipeOptions.batchSize :: MachineOptions.predictions
                ofMachine
            ]
            Make =
                fun given draft ->
                    Request.Predict {
                        Checkpoint = draft.Checkpoint
                        Files = Array.ofList given.Words
                        Top = draft.Top
                        Data = draft.Data
                        SourceGiven = sourceGiven given
                        Model = draft.Network
                        BatchSize = draft.Training.BatchSize
                        Machine = draft.Machine
                        Csv = draft.Csv
                        Json = draft.Json
                    }
                    |> unless [
                        yield! missing "checkpoint" "the file to predict with" draft.Checkpoint

                        if given.Words.IsEmpty then
                            "nothing to predict: name picture files or folders"

                        if draft.Csv = "-" && draft.Json then
                            "--csv - and --json both want stdout"
                    ]
    }

    let summary = {
        verb "summary" "layers, shapes, parameters and multiply-adds; nothing is allocated" with
            Groups = [
                "Network",
                [
                    ModelOptions.model
                    ModelOptions.hparam
                    ModelOptions.checkpoint
                    ModelOptions.weights
                    DataOptions.input
                ]
                "Output", MachineOptions.output
            ]
            Start =
                fun given ->
                    let rows = [ ModelOptions.model; ModelOptions.hparam ]

                    match ModelOptions.find [] (Reading.ofRows rows given.Settings Draft.start).Draft.Network with
                    | Ok model -> { Draft.start with Input = model.Input }
                    | Error _ -> Draft.start
            Make =
                fun _ draft ->
                    Request.Summary {
                        Model = draft.Network
                        Checkpoint = draft.Checkpoint
                        Input = draft.Input
                        Json = draft.Json
                    }
                    |> Ok
    }

    let private ofOnnx = MachineOptions.onnx @ [ lendingData ]

    let export = {
        verb "export" "write a checkpoint in another format, or draw its network" with
            Groups = [
                "Checkpoint", ModelOptions.stored
                "Output", MachineOptions.target :: MachineOptions.libtorch :: MachineOptions.output
                "ONNX files", ofOnnx
            ]
            Make =
                fun given draft ->
                    let request = {
                        Checkpoint = draft.Checkpoint
                        To = draft.To
                        Model = draft.Network
                        Onnx = draft.Onnx
                        WithPreprocessing = draft.WithPreprocessing
                        Data = draft.Data
                        SourceGiven = sourceGiven given
                        // What is exported is computed on any machine alike.
                        Machine = { draft.Machine with Device = "cpu" }
                        Json = draft.Json
                    }

                    Request.Export request
                    |> unless [
                        for row in ofOnnx do
                            if draft.To <> "" && not request.IsOnnx && GivenOption.has row.Name given.Settings then
                                $"--{row.Name} is of .onnx files, not of --to {draft.To}"
                        yield! missing "checkpoint" "the file to read" draft.Checkpoint
                        yield! missing "to" "the file to write" draft.To
                    ]
    }

    let private compared = [
        "Networks", [ ModelOptions.models; ModelOptions.checkpoints ]
        "Data", DataOptions.ofTraining
        "Recipe", [ RecipeOptions.epochs; RecipeOptions.batchSize; RecipeOptions.seed ]
        "Output", [ MachineOptions.out "folder that the runs' folders are made in (default: runs)" ]
        ofMachine
    ]

    /// Its runs are stored as the trains that they are, since each of them goes on by itself.
    let compare = {
        verb "compare" "several models under one protocol, as one table" with
            Groups = compared
            Make =
                fun given draft ->
                    Request.Compare {
                        Models = draft.Models
                        Checkpoints = draft.Checkpoints
                        Train = TrainVerb.request (Verb.ofRun compared given.Settings) draft
                    }
                    |> Ok
    }

    let bench = {
        verb "bench" "images per second of training, inference and the input pipeline on this machine" with
            Groups = [
                "What is measured",
                ModelOptions.models :: RecipeOptions.batchSizeUpTo 2 65536 :: MachineOptions.measurements
                ofMachine
            ]
            Make =
                fun _ draft ->
                    Request.Bench {
                        Models = draft.Models
                        BatchSize = draft.Training.BatchSize
                        Machine = draft.Machine
                        Repeats = draft.Repeats
                        Seconds = draft.Seconds
                        Against = Array.ofList (List.distinct draft.Against)
                        Worker = draft.Worker
                        Json = draft.Json
                    }
                    |> Ok
    }

    let doctor = {
        verb "doctor" "what was found on this machine, and what to do about what is missing" with
            Groups = [ "Machine and output", MachineOptions.computer @ MachineOptions.output ]
            Make = fun _ draft -> Ok(Request.Doctor { Machine = draft.Machine; Json = draft.Json })
    }

    let all = [ TrainVerb.verb; test; predict; summary; export; compare; bench; doctor ]
