// Fine-tuning: a network that has learned five classes learns the other five from a few pictures.
#load "prelude.fsx"

open Hybrid
open Hybrid.Combinators
open Hybrid.Host.Data
open Prelude
open TorchSharp

/// The images of some classes, which become 0, 1, 2, …
let ofClasses (classes: int64 list) count (data: Dataset) =
    let labels = data.Labels.data<int64>().ToArray()

    let places =
        labels
        |> Array.indexed
        |> Array.filter (fun (_, label) -> List.contains label classes)
        |> Array.map (fst >> int64)
        |> Array.truncate count

    use chosen = torch.tensor places
    let some = Dataset.select chosen data
    let names = [| for label in classes -> data.Classes[int label] |]

    {
        some with
            Labels = torch.tensor (places |> Array.map (fun it -> int64 (List.findIndex ((=) labels[int it]) classes)))
            Classes = names
    }

let body =
    conv 16
    >>> batchNorm
    >>> relu
    >>> maxPool 2
    >>> conv 32
    >>> batchNorm
    >>> relu
    >>> maxPool 2
    >>> conv 64
    >>> batchNorm
    >>> relu
    >>> globalAvgPool
    >>> flatten

let plan = planOf (Shape.Image(3, 32, 32)) (name "body" body >>> name "head" (linear 5))
let all, test = drawn Split.Train 4000, drawn Split.Test 1000
let norm = Normalisation.ofDataset all

let fit recipe (network: TorchModule) data =
    use run = new Fit(recipe, network, Recipe.feed recipe Placement.cpu norm data, None)
    run |> Seq.iter ignore

let accuracy network data = (Loop.evaluate Objective.plain network (Feed.plain data norm Placement.cpu 100)).Accuracy

// Five classes, many pictures.
let learned = networkOf 42 plan
fit { Recipe.plain with Epochs = 3; BatchSize = 32 } learned (ofClasses [ 0L .. 4L ] 2000 all)
printfn $"the first five classes: {accuracy learned (ofClasses [ 0L .. 4L ] 500 test):P1}"

// The other five, twelve pictures of each.
let few, others = ofClasses [ 5L .. 9L ] 60 all, ofClasses [ 5L .. 9L ] 500 test

/// The body's weights as they were learned, and a last layer that starts anew.
let transferred () =
    let network = networkOf 7 plan
    use _ = torch.no_grad ()

    for spec in network.Weights.Specs do
        if spec.Key.StartsWith "body." then
            network.Weights[spec.Key].copy_ learned.Weights[spec.Key] |> ignore

    network

let recipe = { Recipe.fineTuning 8 with BatchSize = 10; LearningRate = 1e-2; Augment = [] }
let tuned, fromScratch = transferred (), networkOf 7 plan
fit recipe tuned few
fit { recipe with Body = BodyTraining.trained } fromScratch few
printfn $"the other five: fine-tuned {accuracy tuned others:P1}, from scratch {accuracy fromScratch others:P1}"
expect "what was learned helps" (accuracy tuned others > accuracy fromScratch others)
