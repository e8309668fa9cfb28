// A loss, a schedule and an augmentation of your own. Training is a fold, and a step is a few lines: write it yourself.
#load "prelude.fsx"

open Hybrid
open Hybrid.Combinators
open Hybrid.Host.Data
open Prelude
open TorchSharp

let train, test = drawn Split.Train 1920, drawn Split.Test 500

let network =
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
    >>> linear 10
    |> planOf train.Shape
    |> networkOf 42

/// Images that are right already count for less. Lin et al., "Focal loss for dense object detection", 2017.
let focal (gamma: float) (logits: Tensor) (labels: Tensor) =
    let each = torch.nn.functional.cross_entropy (logits, labels, reduction = torch.nn.Reduction.None)
    let wrong = torch.ones_like each - each.neg().exp()
    (wrong.pow (gamma.ToScalar()) * each).mean()

/// A triangle: up for a third of the run, down for the rest. Smith, "Cyclical learning rates", 2017.
let triangle peak (share: float) = if share < 0.33 then peak * share / 0.33 else peak * (1.0 - share) / 0.67

/// A grey square somewhere on each image. DeVries and Taylor, "Improved regularization with cutout", 2017.
let cutout side (generator: torch.Generator) (images: Tensor) =
    let count, height = images.shape[0], images.shape[2]
    let place () = torch.randint (height - side, [| count; 1L; 1L; 1L |], generator = generator)
    let at = torch.arange(height).view(1L, 1L, -1L)
    let inside (start: Tensor) (line: Tensor) = (line.ge start).logical_and(line.lt (start + side.ToScalar()))

    let rows, columns =
        inside (place ()) (at.view (1L, 1L, -1L, 1L)), inside (place ()) (at.view (1L, 1L, 1L, -1L))

    images.masked_fill (rows.logical_and columns, 0.0.ToScalar())

let recipe = { Recipe.plain with BatchSize = 64 }
let feed data = Feed.plain data (Normalisation.ofDataset train) Placement.cpu recipe.BatchSize
let epochs = 8
let steps = epochs * Batch.count true (feed train)

/// One step: what the library's own does, with the three of ours in it.
let step (state: OptimizerState) (batch: Batch) =
    use _ = torch.NewDisposeScope()
    use draws = Randomness.generator recipe.Seed Purpose.Augment 0 (int state.Steps)
    network.Weights.Grad.zero_ () |> ignore
    use pass = network.pass (cutout 6 draws batch.Images)
    (focal 1.0 pass.Output batch.Labels).backward()
    pass.Backward()
    let rate = triangle 0.1 (float state.Steps / float steps)
    Optimizer.step recipe.Optimizer [ (rate, TrainableParameters.all network.Weights) ] network.Weights state

let accuracy () = (Loop.evaluate Objective.plain network (feed test)).Accuracy

network.train true
let before = accuracy ()

let batches =
    seq {
        for epoch in 0 .. epochs - 1 do
            for batch in Batch.epoch (feed train) recipe.Seed true true epoch 0 do
                use batch = batch
                yield batch
    }

let state = Seq.fold step (Optimizer.start recipe.Optimizer network.Weights) batches
printfn $"before: {before:P1}, after {state.Steps} steps: {accuracy ():P1}"
expect "it has learned" (accuracy () > 0.4)
