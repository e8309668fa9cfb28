module Hybrid.Tests.Callbacks.TensorBoardTests

open System
open System.IO
open System.Text.Json.Nodes
open System.Text.RegularExpressions
open Expecto
open Google.Protobuf
open SkiaSharp
open Hybrid
open Hybrid.Host.Callbacks
open Tensorboard
open Hybrid.Tests.Callbacks.EventRecords
open Hybrid.Tests.Callbacks.Stories
open Hybrid.Tests.Data

let private nothingToShow = {
    Count = 1
    Height = 1
    Width = 1
    Raw = [| 1uy; 2uy; 3uy |]
    Augmented = [| 4uy; 5uy; 6uy |]
}

let private hyperParameters () =
    match JsonNode.Parse """{"lr": 0.1, "inner": {"nesterov": true, "widths": [1, 2]}, "name": "x"}""" with
    | :? JsonObject as hyperParameters -> hyperParameters
    | other -> failtest $"{other}"

let private openIn folder = new TensorBoardLog(folder, "SGD", hyperParameters (), [||], nothingToShow)

/// What the log writes of some events.
let private logged (happened: TrainingEvent list) =
    use folder = new TemporaryFolder()
    using (openIn folder.Path) (fun log -> happened |> List.iter log.On)
    events folder.Path

let private whole = story 2 4 2L true

let private lightning =
    testList "as Lightning" [
        test "steps of two epochs of 351 batches" {
            let name, events = logged (story 2 351 50L true)
            let host = Regex.Escape Environment.MachineName
            Expect.isMatch name $@"^events\.out\.tfevents\.\d{{10}}\.{host}\.{Environment.ProcessId}\.0$" "name"
            Expect.equal events.Head.FileVersion "brain.Event:2" "the first record says what the file is"
            Expect.equal (steps "train_loss" events) [ for n in 1L .. 14L -> n * 50L - 1L ] "49, 99, …"

            for tag in [ "train_acc"; "val_acc"; "val_loss" ] do
                Expect.equal (steps tag events) [ 350L; 701L ] $"{tag} at the last step of its epoch"

            Expect.equal (curve "lr-SGD" events) [ 0L, float 0.1f; 351L, float 0.05f ] "the rate as an epoch starts"

            let recorded = [ 49L..50L..349L ] @ [ 350L; 350L ]
            let second = [ 399L..50L..699L ] @ [ 701L; 701L ]

            Expect.equal
                (curve "epoch" events)
                ([ for step in recorded -> step, 0.0 ] @ [ for step in second -> step, 1.0 ])
                "the epoch with every record but the monitor's"

            let tags =
                values Kind.SimpleValue events |> List.map (fun (tag, _, _) -> tag) |> List.distinct |> List.sort

            Expect.equal tags [ "epoch"; "lr-SGD"; "train_acc"; "train_loss"; "val_acc"; "val_loss" ] "nothing else"
        }

        test "the rate with every record of the loss, as its monitor logs it by steps" {
            use folder = new TemporaryFolder()
            let monitor = LearningRateMonitor 50

            using (new TensorBoardLog(folder.Path, "SGD", hyperParameters (), [||], nothingToShow, monitor)) (fun log ->
                story 2 351 50L true |> List.iter log.On)

            let _, events = events folder.Path
            let rate step = if step < 351L then float 0.1f else float 0.05f
            Expect.equal (curve "lr-SGD" events) [ for n in 1L .. 14L -> n * 50L - 1L, rate (n * 50L - 1L) ] "49, 99, …"
        }

        test "nothing about validation where there is none" {
            let _, events = logged (story 1 4 2L false)
            Expect.equal (steps "epoch" events) [ 1L; 3L; 3L ] "two losses and an accuracy"
            Expect.isEmpty (steps "val_acc" events) "no validation"
            let text = (hparams "experiment" events).ToStringUtf8()
            Expect.isFalse (text.Contains "val_acc") "no such column either"
            Expect.stringContains text "train_acc" "but this one"
        }

        test "a run that is taken up again leaves no step twice" {
            use folder = new TemporaryFolder()

            let upTo step =
                Seq.takeWhile
                    (function
                    | TrainingEvent.StepEnded(_, at, _, _) -> at < step
                    | _ -> true)
                    whole

            let follow (log: TensorBoardLog) (happened: TrainingEvent seq) = Seq.iter log.On happened

            let saved =
                use log = openIn folder.Path
                follow log (upTo 5L)
                let saved = log.Save()
                // What comes between the last saved state and the end of the process is done again.
                follow log (whole |> List.skip (Seq.length (upTo 5L)))
                saved

            // A process that ended before it saved its state.
            using (openIn folder.Path) (fun log ->
                log.Restore saved
                follow log [ TrainingEvent.EpochResumed(1, 6L, 2); TrainingEvent.LossLogged(1, 7L, 9.0, 0.5) ])

            using (openIn folder.Path) (fun log ->
                log.Restore saved
                follow log (TrainingEvent.EpochResumed(1, 6L, 2) :: (whole |> List.skip (Seq.length (upTo 6L)))))

            let first, second =
                match Directory.GetFiles(folder.Path) |> Array.sort |> Array.map read with
                | [| first; second |] -> first, second
                | files -> failtest $"two files expected, got {files.Length}"

            let _, uninterrupted = logged whole
            Expect.equal (points (first @ second)) (points uninterrupted) "as if it had never stopped"
            Expect.equal second[1].SessionLog.Status SessionLog.Types.SessionStatus.Start "a new start"
            Expect.equal second[1].Step 6L "from this step"
            Expect.isEmpty (values Kind.Image second) "the pictures are in the first file"
        }

        test "a complete run that is taken up again is complete still" {
            use folder = new TemporaryFolder()

            let saved =
                use log = openIn folder.Path
                whole |> List.takeWhile (_.IsFitEnded >> not) |> List.iter log.On
                log.Save()

            using (openIn folder.Path) (fun log ->
                log.Restore saved
                List.iter log.On [ whole.Head; List.last whole ])

            let files = Directory.GetFiles folder.Path |> Array.sort |> Array.map read |> List.ofArray
            let _, uninterrupted = logged whole
            Expect.equal (points (List.concat files)) (points uninterrupted) "the same curves"
            Expect.equal (status (List.concat files)) 1 "one last word, and a good one"
        }
    ]

let private hyperparameters =
    testList "hyperparameters" [
        test "nested ones by their path, each in its own type" {
            let _, events = logged (story 1 4 2L true)
            let outer = (hparams "session_start_info" events).CreateCodedInput()
            Expect.equal (outer.ReadTag() >>> 3) 3u "session_start_info"
            let inner = outer.ReadBytes().CreateCodedInput()

            let rec entries found =
                match inner.ReadTag() >>> 3 with
                | 1u ->
                    let entry = inner.ReadBytes().CreateCodedInput()
                    Expect.equal (entry.ReadTag() >>> 3) 1u "key"
                    let key = entry.ReadString()
                    Expect.equal (entry.ReadTag() >>> 3) 2u "value"
                    let value = WellKnownTypes.Value.Parser.ParseFrom(entry.ReadBytes())
                    entries ((key, value.ToString()) :: found)
                | field ->
                    Expect.equal field 5u "start_time_secs"
                    List.rev found

            Expect.equal
                (entries [])
                [ "lr", "0.1"; "inner/nesterov", "true"; "inner/widths", "\"[1,2]\""; "name", "\"x\"" ]
                "texts, numbers and truth values"
        }

        for name, happened, expected in
            [
                "a run to its end went well", whole, 1
                "so did one that stopped early, after an epoch", whole |> List.takeWhile (_.IsFitEnded >> not), 1
                "one broken off in an epoch did not", List.take 6 whole, 2
                "nor one that diverged", List.take 6 whole @ [ TrainingEvent.Diverged(0, 2L, "train_loss", nan) ], 2
            ] do
            test name { Expect.equal (logged happened |> snd |> status) expected "1: success, 2: failure" }
    ]

let private png (value: Summary.Types.Value) =
    use picture = SKBitmap.Decode(value.Image.EncodedImageString.ToByteArray())
    Expect.equal (picture.Width, picture.Height) (value.Image.Width, value.Image.Height) "size as announced"

    [
        for y in 0 .. picture.Height - 1 -> [ for x in 0 .. picture.Width - 1 -> picture.GetPixel(x, y) ]
    ]

let private pictures =
    testList "pictures" [
        test "before and after augmentation" {
            let _, events = logged (List.take 2 whole)

            Expect.equal
                [ for tag, step, value in values Kind.Image events -> tag, step, png value ]
                [
                    "first_batch/raw", 0L, [ [ SKColor(1uy, 2uy, 3uy) ] ]
                    "first_batch/augmented", 0L, [ [ SKColor(4uy, 5uy, 6uy) ] ]
                ]
                "one picture each"
        }
    ]

let tests = testList "TensorBoard" [ lightning; hyperparameters; pictures ]
