module Hybrid.Tests.Callbacks.ModelCheckpointTests

open System.IO
open Expecto
open Hybrid
open Hybrid.Command
open Hybrid.Host.Callbacks
open Hybrid.Tests.Data

let private monitor metric : MonitorRequest = {
    Metric = metric
    HigherIsBetter = metric.EndsWith "acc"
    Patience = 0
    MinDelta = 0.0
}

/// An epoch of one step.
let private epoch (callback: ICallback) number accuracy =
    [
        TrainingEvent.EpochStarted(number, int64 number, 0.1)
        TrainingEvent.EpochTrained(number, int64 number, 1.0, 0.5)
        if not (System.Double.IsNaN accuracy) then
            TrainingEvent.EpochValidated(number, int64 number, 1.0 - accuracy, accuracy)
        TrainingEvent.EpochEnded(number, int64 number)
    ]
    |> List.iter callback.On

let private checkpoint (folder: TemporaryFolder) metric count =
    new ModelCheckpoint(monitor metric, count, folder.Path, (fun path _ -> File.WriteAllText(path, "")))

/// Epochs whose files are there, and the best, once a run has had these accuracies.
let private kept metric count accuracies =
    use folder = new TemporaryFolder()

    let best =
        use callback = checkpoint folder metric count
        accuracies |> List.iteri (epoch callback)
        callback.Best |> Option.ofObj |> Option.map _.Epoch

    let number (file: string) = int (file.Split([| '='; '-' |])[1])
    folder.Names() |> List.map number |> List.sort, best

let private choice =
    testList "choice" [
        for name, metric, count, accuracies, files, best in
            [
                // As ModelCheckpoint of Lightning 2 keeps them: a newcomer must be strictly better than the worst, and of
                // the equally bad the oldest goes.
                "the best", "val_acc", 1, [ 0.3; 0.5; 0.4 ], [ 1 ], 1
                "of equals the first", "val_acc", 1, [ 0.5; 0.5 ], [ 0 ], 0
                "the least loss", "val_loss", 1, [ 0.3; 0.5; 0.4 ], [ 1 ], 1
                "the two best", "val_acc", 2, [ 0.3; 0.5; 0.4; 0.1 ], [ 1; 2 ], 1
                "of the equally bad the oldest goes", "val_acc", 2, [ 0.3; 0.3; 0.5; 0.3 ], [ 1; 2 ], 2
                "all", "val_acc", -1, [ 0.3; 0.5; 0.4 ], [ 0; 1; 2 ], 1
                "none", "val_acc", 0, [ 0.5; 0.4 ], [], 1
                "the last where nothing is measured", "val_acc", 2, [ nan; nan; nan ], [ 1; 2 ], 2
                "what is measured before what is not", "val_acc", 1, [ nan; 0.1; nan ], [ 1 ], 1
            ] do
            test name { Expect.equal (kept metric count accuracies) (files, Some best) "epochs kept, and the best" }
    ]

let private memory =
    testList "memory" [
        test "an old file stays until the next event, when the state without it is saved" {
            use folder = new TemporaryFolder()
            use callback = checkpoint folder "val_acc" 1
            epoch callback 0 0.3
            epoch callback 1 0.5
            Expect.equal (folder.Names().Length) 2 "the better one beside it"
            (callback :> ICallback).On(TrainingEvent.FitEnded(2, 2L))
            Expect.equal (folder.Names()) [ "epoch=1-step=2.safetensors" ] "gone"
        }

        test "what was kept later is forgotten, file and all; what is gone is not counted on" {
            use folder = new TemporaryFolder()
            use first = checkpoint folder "val_acc" 2
            [ 0.3; 0.5 ] |> List.iteri (epoch first)
            let saved = first.Save()
            epoch first 2 0.6
            use second = checkpoint folder "val_acc" 2
            File.WriteAllText(folder.At "epoch=9-step=9.safetensors", "the user's own")
            second.Restore saved
            Expect.equal (folder.Names().Length) 4 "nothing is deleted by its name"
            second.Undo(first.Save(), saved)

            Expect.equal
                (folder.Names())
                [ "epoch=0-step=1.safetensors"; "epoch=1-step=2.safetensors"; "epoch=9-step=9.safetensors" ]
                "epoch 2 is gone, of which the later state knows"

            File.Delete(folder.At "epoch=1-step=2.safetensors")
            use third = checkpoint folder "val_acc" 2
            third.Restore saved
            Expect.equal (third.Best |> Option.ofObj |> Option.map _.Epoch) (Some 0) "the only one that is there"
        }
    ]

/// After which epoch a run with these accuracies ends, if it does.
let private ended patience minDelta accuracies =
    let early = EarlyStopping { monitor "val_acc" with Patience = patience; MinDelta = minDelta }

    accuracies
    |> List.indexed
    |> List.tryPick (fun (number, accuracy) ->
        epoch early number accuracy
        if early.WantsStop then Some number else None)

let private stopping =
    testList "early stopping" [
        // As EarlyStopping of Lightning 2: value - min_delta > best, and so many epochs in a row without.
        for name, patience, minDelta, accuracies, after in
            [
                "after so many epochs without a better one", 2, 0.0, [ 0.5; 0.4; 0.5; 0.9 ], Some 2
                "a better one starts the count anew", 2, 0.0, [ 0.5; 0.4; 0.6; 0.5; 0.5 ], Some 4
                "a little better is not better", 2, 0.25, [ 0.5; 0.625; 0.75; 0.875 ], Some 2
                "by little and little from the best, it is", 2, 0.25, [ 0.25; 0.375; 0.625; 0.75; 1.0 ], None
                "never without patience", 0, 0.0, [ 0.5; 0.4; 0.3 ], None
            ] do
            test name { Expect.equal (ended patience minDelta accuracies) after "the epoch after which it ends" }
    ]

let tests = testList "checkpoints and stopping" [ choice; memory; stopping ]
