module Hybrid.Tests.Callbacks.EpochCsvTests

open System
open System.Globalization
open System.IO
open Expecto
open Hybrid
open Hybrid.Host.Callbacks
open Hybrid.Tests.Data

let private header = "epoch,step,lr-AdamW,train_loss,train_acc,val_loss,val_acc,seconds"

/// Lines of the file after each event, read while the callback still has it open.
let private written (happened: TrainingEvent list) =
    use folder = new TemporaryFolder()
    let path = folder.At "epochs.csv"
    use log = new EpochCsv(path, "AdamW")

    let read () =
        use file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite)
        use reader = new StreamReader(file)
        reader.ReadToEnd()

    [
        read ()
        for event in happened do
            log.On event
            read ()
    ]

let private fields (line: string) = line.Split ',' |> List.ofArray

let tests =
    testList "epochs.csv" [
        test "one row an epoch, there as soon as the epoch is over" {
            let texts =
                written [
                    TrainingEvent.FitStarted(2, 3, 24, 8)
                    TrainingEvent.EpochStarted(0, 0L, 0.1)
                    TrainingEvent.LossLogged(0, 1L, 9.0, 0.5)
                    TrainingEvent.EpochTrained(0, 2L, 1.5, 0.5)
                    TrainingEvent.EpochValidated(0, 2L, 1.25, 0.75)
                    TrainingEvent.EpochEnded(0, 2L)
                    TrainingEvent.EpochStarted(1, 3L, 1.0 / 3.0)
                    TrainingEvent.EpochTrained(1, 5L, 0.1, 1.0)
                    TrainingEvent.EpochEnded(1, 5L)
                ]

            Expect.all (List.take 6 texts) ((=) (header + "\n")) "only the header before the first epoch is over"
            let lines = (List.last texts).TrimEnd('\n').Split '\n'
            Expect.equal lines.Length 3 "a header and two rows"

            Expect.equal
                (fields lines[1] |> List.take 7)
                [ "0"; "2"; "0.1"; "1.5"; "0.5"; "1.25"; "0.75" ]
                "all that was measured"

            Expect.equal
                (fields lines[2] |> List.take 7)
                [ "1"; "5"; "0.3333333333333333"; "0.1"; "1"; ""; "" ]
                "empty where nothing was"

            for line in lines[1..] do
                let seconds = Double.Parse(fields line |> List.last, CultureInfo.InvariantCulture)
                Expect.isTrue (seconds >= 0.0 && seconds < 600.0) $"seconds: {seconds}"
        }

        test "an epoch that is broken off has no row" {
            let texts =
                written [
                    TrainingEvent.EpochStarted(0, 0L, 0.1)
                    TrainingEvent.LossLogged(0, 0L, nan, 0.5)
                    TrainingEvent.Diverged(0, 0L, "train_loss", nan)
                ]

            Expect.equal (List.last texts) (header + "\n") "the header alone"
        }

        test "a run that is taken up again has each row once, with all its seconds" {
            use folder = new TemporaryFolder()
            let path = folder.At "epochs.csv"

            let epoch number = [
                TrainingEvent.EpochTrained(number, 2L, 1.5, 0.5)
                TrainingEvent.EpochEnded(number, 2L)
            ]

            let saved =
                use log = new EpochCsv(path, "AdamW")
                TrainingEvent.EpochStarted(0, 0L, 0.1) :: epoch 0 |> List.iter log.On
                log.On(TrainingEvent.EpochStarted(1, 3L, 0.25))
                let saved = log.Save()
                saved["seconds"] <- 100.0
                epoch 1 |> List.iter log.On
                saved

            using (new EpochCsv(path, "AdamW")) (fun log ->
                log.Restore saved
                TrainingEvent.EpochResumed(1, 4L, 1) :: epoch 1 |> List.iter log.On)

            let lines = File.ReadAllLines path
            Expect.equal lines[0] header "one header"
            Expect.equal (lines[1..] |> Array.map (fields >> List.head)) [| "0"; "1" |] "each epoch once"
            Expect.equal (fields lines[2] |> List.item 2) "0.25" "the rate that the epoch started with"
            Expect.stringStarts (fields lines[2] |> List.last) "100." "and the seconds before"
        }
    ]
