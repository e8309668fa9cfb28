/// What a run shows of itself, to be held against PyTorch's.
module Hybrid.Tests.Training.Trajectory

open System
open System.IO
open Expecto
open TorchSharp
open Hybrid
open Hybrid.Tests.Training.SmallData

type Trajectory = {
    /// Of each step.
    Losses: float list
    /// Of the first step, by parameter.
    GradientNorms: (string * float) list
}

let private images = Shape.Image(3, 32, 32)

/// The published normalisation of CIFAR-10.
let published: Normalisation = {
    Mean = [| 0.49139968; 0.48215841; 0.44653091 |]
    Std = [| 0.24703223; 0.24348513; 0.26158784 |]
}

/// Weights are drawn in float32 and then converted, so that both precisions begin at the same place.
let placement dtype = {
    Placement.cpu with
        DType = dtype
        Layout =
            if dtype = torch.ScalarType.Float64 then
                Layout.Contiguous
            else
                Layout.ChannelsLast
}

let network dtype (seed: int64) (model: Model) = build (placement dtype) (int seed) images model

let feedOf dtype batchSize data = {
    feed batchSize data with
        Normalisation = published
        Placement = placement dtype
}

/// The recipe of a comparison: no shuffling, no augmentation, nothing left out, every loss told.
let compared (recipe: Recipe) = { recipe with Augment = []; Shuffle = false; DropLast = false; LogEvery = 1 }

/// The first `steps` steps of a run, and what the network that it would keep comes to.
let followed steps (recipe: Recipe) (network: TorchModule) (feed: Feed) (after: TorchModule -> 'a) =
    use run = new Fit({ compared recipe with MaxSteps = int64 steps }, network, feed, None)
    let mutable norms = []

    let losses = [
        for event in run do
            match event with
            | TrainingEvent.LossLogged(_, step, loss, _) ->
                if step = 0L then
                    // Until the next step, the gradients are those of this one.
                    norms <- [
                        for key, gradient in network.Weights.ViewsOf network.Weights.Grad do
                            use gradient = gradient
                            use norm = gradient.norm().``to`` torch.ScalarType.Float64
                            key, norm.item<float>()
                    ]

                loss
            | _ -> ()
    ]

    { Losses = losses; GradientNorms = norms }, after run.Network

/// The first `steps` steps of a run.
let follow steps recipe network feed = followed steps recipe network feed ignore |> fst

/// The first records of one of CIFAR-10's official binary files.
let cifar file count : Dataset =
    use stream = File.OpenRead file
    let records = Array.zeroCreate<byte>(count * 3073)
    stream.ReadExactly records
    let pixels = Array.init count (fun index -> records.AsSpan(index * 3073 + 1, 3072).ToArray())

    SmallData.ofPlanes
        (torch.tensor(Array.concat pixels).view(int64 count, 3L, 32L, 32L))
        (Array.init count (fun index -> int64 records[index * 3073]))
        (Array.init 10 string)

let lossesAgree tolerance (actual: float list) (expected: float list) =
    Expect.equal actual.Length expected.Length "as many steps"

    for step, (actual, expected) in List.indexed (List.zip actual expected) do
        Expect.isLessThan (abs (actual - expected)) tolerance $"loss of step {step}: {actual} for {expected}"

/// A bias before a batch norm has a gradient of 0, of which both sides have nothing but rounding.
let normsAgree tolerance (actual: (string * float) list) (expected: (string * float) list) =
    Expect.equal (List.map fst actual) (List.map fst expected) "parameters"

    for (key, actual), (_, expected) in List.zip actual expected do
        Expect.isLessThan
            (abs (actual - expected))
            (tolerance * expected + 1e-12)
            $"gradient norm of {key}: {actual} for {expected}"
