namespace Hybrid.Command

open Hybrid

/// The verbs besides `train`.
module internal Verbs =

    let private verb name help words groups make : Verb = {
        Name = name
        Help = help
        Words = words
        Groups = groups
        Start = fun _ -> Draft.start
        Make = make
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

    let test =
        verb
            "test"
            "evaluate a checkpoint on a split"
            ""
            [
                "Checkpoint", ModelOptions.stored
                "Data",
                testedData :: DataOptions.split :: DataOptions.parts @ [ acceptChanged; RecipeOptions.batchSize ]
                "Machine and output", MachineOptions.all
            ]
            (fun given draft ->
                Request.Test {
                    Checkpoint = draft.Checkpoint
                    Data = draft.Data
                    SourceGiven = sourceGiven given
                    Split = draft.Split
                    AcceptChangedData = draft.AcceptChangedData
                    Model = draft.Network
                    BatchSize = draft.Training.BatchSize
                    Machine = draft.Machine
                    Json = draft.Json
                }
                |> unless (missing "checkpoint" "the file to test" draft.Checkpoint))

    let predict =
        verb
            "predict"
            "the most probable classes of picture files or folders"
            "FILE_OR_FOLDER...  pictures (JPEG, PNG, WebP, BMP or GIF), and folders whose pictures are meant, those of folders inside them too"
            [
                "Checkpoint", ModelOptions.stored @ [ lendingData ]
                "Machine and output", RecipeOptions.batchSize :: MachineOptions.all
                "Predictions", MachineOptions.predictions
            ]
            (fun given draft ->
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
                ])

    let summary =
        verb
            "summary"
            "layers, shapes, parameters and multiply-adds; nothing is allocated"
            ""
            [
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
            (fun _ draft ->
                Ok(
                    Request.Summary {
                        Model = draft.Network
                        Checkpoint = draft.Checkpoint
                        Input = draft.Input
                        Json = draft.Json
                    }
                ))

    let export =
        verb
            "export"
            "write a checkpoint in another format, or draw its network"
            ""
            [ "Checkpoint", ModelOptions.stored; "Output", MachineOptions.target :: MachineOptions.output ]
            (fun _ draft ->
                Request.Export {
                    Checkpoint = draft.Checkpoint
                    To = draft.To
                    Model = draft.Network
                    Json = draft.Json
                }
                |> unless (
                    missing "checkpoint" "the file to read" draft.Checkpoint
                    @ missing "to" "the file to write" draft.To
                ))

    /// Its runs are stored as the trains that they are, since each of them goes on by itself.
    let compare: Verb =
        let groups = [
            "Networks", [ ModelOptions.models; ModelOptions.checkpoints ]
            "Data", DataOptions.ofTraining
            "Recipe", [ RecipeOptions.epochs; RecipeOptions.batchSize; RecipeOptions.seed ]
            "Machine and output",
            MachineOptions.out "folder that the runs' folders are made in (default: runs)" :: MachineOptions.all
        ]

        verb "compare" "several models under one protocol, as one table" "" groups (fun given draft ->
            Ok(
                Request.Compare {
                    Models = draft.Models
                    Checkpoints = draft.Checkpoints
                    Train = TrainVerb.request (Verb.ofRun groups given.Settings) draft
                }
            ))

    let bench =
        verb
            "bench"
            "images per second of training, inference and the input pipeline on this machine"
            ""
            [
                "What is measured",
                ModelOptions.models :: RecipeOptions.batchSizeUpTo 2 65536 :: MachineOptions.measurements
                "Machine and output", MachineOptions.all
            ]
            (fun _ draft ->
                Ok(
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
                ))

    let doctor =
        verb
            "doctor"
            "what was found on this machine, and what to do about what is missing"
            ""
            [ "Machine and output", MachineOptions.computer @ MachineOptions.output ]
            (fun _ draft -> Ok(Request.Doctor { Machine = draft.Machine; Json = draft.Json }))

    let all = [ TrainVerb.verb; test; predict; summary; export; compare; bench; doctor ]
