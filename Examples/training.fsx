// A network of your own, trained by folding over batches. What the host does around this (files, bars, devices) is
// left out: this is the whole of training.
// Build once (dotnet build -c Release), then: dotnet fsi Examples/training.fsx
#r "../Host.CSharp/bin/Release/net10.0/Hybrid.Core.dll"
#r "../Host.CSharp/bin/Release/net10.0/TorchSharp.dll"
#r "../Host.CSharp/bin/Release/net10.0/hybrid.dll"

open Hybrid
open Hybrid.Combinators
open Hybrid.Host.Data
open Hybrid.Host.Runtime
open TorchSharp

// As the host does before the first tensor; without it the same comes out, only slower.
Allocator.KeepMemory()
Threads.WaitBriefly()

let drawn split count =
    let set = Shapes.Draw(Shapes.Seed, split, count)
    Dataset.ofBytes set.Images set.Labels set.Height set.Width (Array.ofSeq set.Classes)

let train, test = drawn Split.Train 2560, drawn Split.Test 500

let stage channels = conv channels >>> batchNorm >>> relu >>> residual (conv channels >>> batchNorm >>> relu)

let net =
    stage 16
    >>> maxPool 2
    >>> stage 32
    >>> maxPool 2
    >>> stage 64
    >>> globalAvgPool
    >>> flatten
    >>> linear 10

let plan =
    match Plan.elaborate train.Shape net with
    | Ok plan -> plan
    | Error errors -> failwith $"%A{errors}"

let network =
    let initialisation = Initialisation.KaimingNormal(Fan.Out, Activation.Relu)
    TorchModule.create Placement.cpu initialisation (new torch.Generator(42UL, torch.CPU)) plan

let recipe = { Recipe.plain with Epochs = 3; BatchSize = 64; Augment = Augment.tutorial }

let feed augment data = {
    Data = data
    Normalisation = Normalisation.ofDataset train
    Placement = Placement.cpu
    BatchSize = recipe.BatchSize
    Augment = augment
}

let trainFeed, testFeed = feed recipe.Augment train, feed [] test

/// Training is a fold of steps over batches, and a run is a fold of epochs.
let trainEpoch (state: TrainingState) epoch =
    Loop.fold recipe network { state with Epoch = epoch } (Batch.epoch trainFeed recipe.Seed true true epoch 0)

network.train true
let start = Loop.start recipe network (Batch.count true trainFeed)
let accuracy () = (Loop.evaluate recipe.Objective network testFeed).Accuracy
printfn $"before: {accuracy ():P1}"
let finished = Seq.fold trainEpoch start (seq { 0 .. recipe.Epochs - 1 })
printfn $"after {finished.Step} steps: {accuracy ():P1}"
