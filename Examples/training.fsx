// A network of your own, trained by folding over batches. What the host does around this (files, bars, devices) is
// left out: this is the whole of training.
#load "prelude.fsx"

open Hybrid
open Hybrid.Combinators
open Hybrid.Host.Data
open TorchSharp
open Prelude

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

let network = networkOf 42 (planOf train.Shape net)

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
expect "it has learned" (accuracy () > 0.4)
