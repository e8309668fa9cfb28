module Hybrid.Tests.Callbacks.CsvLogTests

open System
open System.IO
open Expecto
open Hybrid
open Hybrid.Host.Callbacks
open Hybrid.Tests.Callbacks.Stories
open Hybrid.Tests.Data

/// Epoch, step and value of every field of a column that is not empty, of a run of two epochs of 351 batches.
let private column monitor =
    use folder = new TemporaryFolder()
    let path = folder.At "metrics.csv"
    using (new CsvLog(path, "SGD", monitor)) (fun log -> story 2 351 50L true |> List.iter log.On)
    let rows = File.ReadAllLines path |> Array.map _.Split(',') |> List.ofArray
    let place (name: string) = Array.IndexOf(rows.Head, name)

    fun name -> [
        for row in rows.Tail do
            if row[place name] <> "" then
                int row[place "epoch"], int row[place "step"], float row[place name]
    ]

/// As Lightning's CSV logger and its learning-rate monitor have them.
let private lightning =
    testList "as Lightning" [
        test "losses at steps 49, 99, …, and what an epoch came to at its last step" {
            let column = column (LearningRateMonitor())
            let epoch step = if step < 351 then 0 else 1
            let losses = [ for n in 1..14 -> epoch (n * 50 - 1), n * 50 - 1, 2.0 ]
            Expect.equal (column "train_loss") losses "every fiftieth step, counted through both epochs"

            for name, value in [ "train_acc", 0.5; "val_acc", 0.25; "val_loss", 1.75 ] do
                Expect.equal (column name) [ 0, 350, value; 1, 701, value ] name

            Expect.equal (column "lr-SGD") [ 0, 0, 0.1; 1, 351, 0.05 ] "the rate as an epoch starts"
        }

        test "the rate with every record of the loss" {
            let column = column (LearningRateMonitor 50)
            let places = List.map (fun (epoch, step, _) -> epoch, step)
            Expect.equal (places (column "lr-SGD")) (places (column "train_loss")) "at the same steps"
            Expect.equal (column "lr-SGD" |> List.last) (1, 699, 0.05) "and what it was there"
        }
    ]

let private counting =
    test "a smaller last batch counts as what it is" {
        let throughput = Throughput(4, 10)

        [
            for epoch in 0..1 do
                TrainingEvent.EpochStarted(epoch, int64 (3 * epoch), 0.1)

                for batch in 0..2 do
                    TrainingEvent.StepEnded(epoch, int64 (3 * epoch + batch), batch, 0.1)
        ]
        |> List.iter throughput.On

        Expect.equal throughput.Images 20L "ten images, twice"
    }

let tests = testList "metrics.csv" [ lightning; counting ]
