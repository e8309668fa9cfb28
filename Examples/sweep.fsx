// A sweep over hyperparameters, with a table. Recipes are values: a sweep is a list of them, and a run is a function.
#load "prelude.fsx"
#r "../Host.CSharp/bin/Release/net10.0/Spectre.Console.dll"

open Hybrid
open Hybrid.Combinators
open Hybrid.Host.Data
open Prelude
open Spectre.Console

let train, validation = drawn Split.Train 1280, drawn Split.Test 300
let norm = Normalisation.ofDataset train

let net width =
    conv width
    >>> batchNorm
    >>> relu
    >>> maxPool 4
    >>> conv (2 * width)
    >>> batchNorm
    >>> relu
    >>> globalAvgPool
    >>> flatten
    >>> linear 10

let start = { Recipe.plain with Epochs = 4; BatchSize = 32 }

let optimisers = [
    "SGD, 0.1", start
    "SGD, 0.01", { start with LearningRate = 0.01 }
    "AdamW, 0.003", { start with Optimizer = Recipe.adamW; LearningRate = 3e-3 }
]

/// The last validation of a run. The same recipe and seed give the same numbers, so the table can be made again.
let run width (recipe: Recipe) =
    use network = networkOf (int recipe.Seed) (planOf train.Shape (net width))
    let feed data = Feed.plain data norm Placement.cpu recipe.BatchSize
    use fit = new Fit(recipe, network, feed train, Some(feed validation))

    fit
    |> Seq.choose (fun event ->
        match event with
        | TrainingEvent.EpochValidated(_, _, loss, accuracy) -> Some(loss, accuracy)
        | _ -> None)
    |> Seq.last

let results = [
    for width in [ 8; 16 ] do
        for name, recipe in optimisers -> width, name, run width recipe
]

let table = Table().AddColumns("width", "optimiser", "val loss", "val accuracy")

for width, name, (loss, accuracy) in results |> List.sortBy (fun (_, _, (loss, _)) -> loss) do
    table.AddRow($"{width}", name, $"{loss:F3}", $"{accuracy:P1}") |> ignore

AnsiConsole.Write table
let best = results |> List.maxBy (fun (_, _, (_, accuracy)) -> accuracy)
expect "one of them learns" (let _, _, (_, accuracy) = best in accuracy > 0.15)
expect "the same again" (let width, name, found = best in run width (Map.find name (Map.ofList optimisers)) = found)
