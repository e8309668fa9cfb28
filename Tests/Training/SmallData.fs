/// Small sets and networks, so that a run takes milliseconds.
module Hybrid.Tests.Training.SmallData

open System
open TorchSharp
open Hybrid
open Hybrid.Combinators
open Hybrid.Tests.Networks.Nets

/// Numbers that look random and are the same everywhere: the upper bits of Knuth's multiplicative hash.
let hashed (index: int) : byte = Operators.byte ((uint32 index * 2654435761u) / 16777216u)

/// Pixels `[N, C, H, W]` and their labels.
let ofPlanes (pixels: torch.Tensor) labels classes =
    Dataset.ofPixels (pixels.permute(0L, 2L, 3L, 1L).contiguous()) labels classes

/// All pixels of a set as bytes, channels first.
let planesOf (data: Dataset) = Dataset.chunks data |> Seq.collect (fun it -> it.data<byte>().ToArray()) |> Array.ofSeq

/// Images of hashed bytes, labelled by turns.
let imagesOf count channels side classes : Dataset =
    let size = channels * side * side
    let planes = torch.tensor (Array.init (count * size) hashed)

    ofPlanes
        (planes.view (int64 count, int64 channels, int64 side, int64 side))
        (Array.init count (fun index -> int64 (index * 7 % classes)))
        (Array.init classes string)

/// Images of one pixel that holds the image's own number, as its label does.
let numbered count : Dataset =
    let pixels = torch.tensor(Array.init count byte).view(int64 count, 1L, 1L, 1L)
    Dataset.ofPixels pixels (Array.init count int64) (Array.init count string)

let plainly channels : Normalisation = { Mean = Array.replicate channels 0.0; Std = Array.replicate channels 1.0 }

let feed batchSize (data: Dataset) : Feed = {
    Data = data
    Normalisation = plainly (Shape.channels data.Shape)
    Placement = Placement.cpu
    BatchSize = batchSize
    Augment = []
}

let model name overrides =
    match Catalogue.find name overrides with
    | Ok model -> model
    | Error message -> failwith message

let build placement (seed: int) input (model: Model) =
    use generator = new torch.Generator(uint64 seed, torch.CPU)
    TorchModule.create placement model.Initialisation generator (planOf input model.Net)

/// A network of a few layers for images of 3×8×8 and ten classes.
let tiny: Model = {
    Name = "Tiny"
    Hparams = []
    Classes = 10
    Net =
        name
            "net"
            (sequential [ conv 4; batchNorm; relu; residual (name "body" (conv 4)); globalAvgPool; flatten; linear 10 ])
    Initialisation = Initialisation.KaimingNormal(Fan.Out, Activation.Relu)
    Input = Shape.Image(3, 8, 8)
    Normalisation = None
    Published = ModelFamily.tutorialAdam
}

let recipe: Recipe = {
    Recipe.published tiny with
        Epochs = 2
        BatchSize = 4
        Schedule = Schedule.Milestones([ 1 ], 0.1)
        Optimizer = Recipe.sgd
        LearningRate = 0.05
        Augment = []
        Shuffle = false
        DropLast = false
        LogEvery = 2
}

/// All bits of a network's state.
let bitsOf (network: TorchModule) = [
    for spec in network.Weights.Specs do
        use _ = torch.NewDisposeScope()
        let tensor = network.Weights[spec.Key].detach().``to``(torch.ScalarType.Float64).contiguous()
        spec.Key, tensor.data<float>().ToArray() |> Array.map BitConverter.DoubleToInt64Bits
]
