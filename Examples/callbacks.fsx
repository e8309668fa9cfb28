// Callbacks of your own. A run is a sequence of events, and events are plain data: whatever looks at them is a callback.
#load "prelude.fsx"

open System
open System.IO
open Hybrid
open Hybrid.Combinators
open Hybrid.Host.Callbacks
open Hybrid.Host.Commands
open Hybrid.Host.Data
open TorchSharp
open Prelude

let folder = Directory.CreateTempSubdirectory().FullName

/// A callback that is one function: it prints a line.
let printing =
    Callback.Of(fun event ->
        match event with
        | TrainingEvent.EpochValidated(epoch, _, loss, accuracy) ->
            printfn $"  epoch {epoch}: val loss {loss:F3}, val accuracy {accuracy:P1}"
        | _ -> ())

/// One that ends the run as soon as an event is good enough.
let untilAccuracy threshold =
    Callback.StopWhen(fun event ->
        match event with
        | TrainingEvent.EpochValidated(_, _, _, accuracy) -> accuracy >= threshold
        | _ -> false)

/// One that remembers something is an object: it holds the mean loss of the last records.
type RecentLoss(records) =
    let recent = Collections.Generic.Queue<float>()

    member _.Mean = Seq.average recent

    interface ICallback with
        member _.On event =
            match event with
            | TrainingEvent.LossLogged(_, _, loss, _) ->
                recent.Enqueue loss

                if recent.Count > records then
                    recent.Dequeue() |> ignore
            | _ -> ()

// 1. A network of your own: `TrainingWatch` reads the run and hands each event to all of them.

let train, validation = drawn Split.Train 1280, drawn Split.Test 200

let net =
    conv 8
    >>> batchNorm
    >>> relu
    >>> maxPool 4
    >>> conv 32
    >>> batchNorm
    >>> relu
    >>> maxPool 4
    >>> flatten
    >>> linear 10

let network = networkOf 42 (planOf train.Shape net)

let recipe = {
    Recipe.plain with
        Epochs = 20
        BatchSize = 64
        LearningRate = 0.05
        LogEvery = 5
}

let feed data = Feed.plain data (Normalisation.ofDataset train) Placement.cpu recipe.BatchSize

let monitor: MonitorRequest = { Metric = "val_loss"; HigherIsBetter = false; Patience = 3; MinDelta = 0.001 }

let recent = RecentLoss 10

do
    use run = new Fit(recipe, network, feed train, Some(feed validation))
    use csv = new CsvLog(Path.Combine(folder, "metrics.csv"), Optimizer.name recipe.Optimizer)

    let watch =
        TrainingWatch([ csv; EarlyStopping monitor; printing; untilAccuracy 0.5; recent ], TrainingPosition.start)

    watch.Follow run
    let rows = File.ReadLines(Path.Combine(folder, "metrics.csv")) |> Seq.length
    printfn $"{watch.Epochs} epochs; mean of the last losses {recent.Mean:F3}; {rows} lines in metrics.csv"

// 2. The whole of `hybrid train`, its logs and checkpoints included, with one more callback.

let arguments =
    "--hparam num_blocks=1,1 --hparam c_hidden=8,16 --limit-train 1280 --limit-val 200 --limit-test 200 --batch-size 32 \
     --augment none --epochs 9 --out"

let result = TrainCommand.Run([ yield! arguments.Split ' '; folder ], [ untilAccuracy 0.25 ])

printfn $"{result.Epochs} epochs, test accuracy {result.TestAcc}"
expect "the callback ended the run" (result.Epochs < 9)
Directory.Delete(folder, true)
