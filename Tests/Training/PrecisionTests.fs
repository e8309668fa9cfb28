/// Networks that compute in bfloat16 and keep their weights in float32.
module Hybrid.Tests.Training.PrecisionTests

open System
open Expecto
open TorchSharp
open Hybrid
open Hybrid.Tests.Networks.Nets
open Hybrid.Tests.Modules.Reference
open Hybrid.Tests.Training.SmallData

let private bfloat16 = { Placement.cpu with DType = torch.ScalarType.BFloat16 }

let private batch (placement: Placement) : Batch =
    use generator = generator 5
    let images = torch.randn ([| 16L; 3L; 32L; 32L |], generator = generator)

    {
        Images = images.``to`` placement.DType |> Layout.apply placement.Layout
        Labels = torch.arange(16L).remainder(10L.ToScalar())
    }

let private losses steps (network: TorchModule) recipe =
    use batch = batch network.Weights.Placement
    network.train true
    let mutable state = Loop.start recipe network 1

    let losses = [
        for _ in 1..steps do
            let next, metrics = Loop.step recipe network state [ batch ]
            use metrics = metrics
            state <- next
            metrics.Loss.``to``(torch.ScalarType.Float32).item<float32>() |> float
    ]

    (state :> IDisposable).Dispose()
    losses

let tests =
    testList "bfloat16" [
        for name in Catalogue.tutorial do
            testCase $"{name} trains as it does in float32"
            <| fun () ->
                use _ = torch.NewDisposeScope()
                let model = model name []
                let recipe = { Recipe.published model with Optimizer = Recipe.adamW; LearningRate = 1e-3 }
                use narrow = build bfloat16 7 (Shape.Image(3, 32, 32)) model
                use wide = build Placement.cpu 7 (Shape.Image(3, 32, 32)) model
                let found = losses 8 narrow recipe
                let expected = losses 8 wide recipe
                Expect.isLessThan (List.last found) (0.9 * found.Head) "the loss falls"
                Expect.isLessThan (abs (found.Head - expected.Head)) (0.03 * expected.Head) "the first loss"

                for spec in narrow.Weights.Specs do
                    let expected =
                        match spec.Role with
                        | Role.NumBatchesTracked -> torch.ScalarType.Int64
                        | _ -> torch.ScalarType.Float32

                    Expect.equal narrow.Weights[spec.Key].dtype expected spec.Key

                Expect.equal narrow.Weights.Flat.dtype torch.ScalarType.Float32 "weights"
                Expect.equal narrow.Weights.Grad.dtype torch.ScalarType.Float32 "gradients"

        testCase "the same weights give nearly the same logits and gradients"
        <| fun () ->
            use _ = torch.NewDisposeScope()
            let model = model "ResNet" []
            use narrow = build bfloat16 7 (Shape.Image(3, 32, 32)) model
            use wide = build Placement.cpu 7 (Shape.Image(3, 32, 32)) model
            Expect.equal (numbers narrow.Weights.Flat) (numbers wide.Weights.Flat) "the same draws"

            let run (network: TorchModule) =
                use batch = batch network.Weights.Placement
                network.train true
                let logits = network.forward batch.Images
                (Objective.loss (Objective.CrossEntropy 0.0) logits batch.Labels).backward()
                logits, network.Weights.Grad

            let logits, grad = run narrow
            let logits', grad' = run wide
            Expect.equal logits.dtype torch.ScalarType.Float32 "logits"
            close 0.05 "logits" logits logits'
            let cosine = (grad.dot grad' / (grad.norm () * grad'.norm ())).item<float32>()
            Expect.isGreaterThan cosine 0.98f "direction of the gradient"

        testCase "a weight moves by less than bfloat16 can tell"
        <| fun () ->
            let model = model "ResNet" []
            use network = build bfloat16 7 (Shape.Image(3, 32, 32)) model
            use before = network.Weights.Flat.clone ()
            losses 1 network { Recipe.published model with LearningRate = 1e-4 } |> ignore
            use moved = network.Weights.Flat.ne(before).sum()

            Expect.isGreaterThan
                (moved.item<int64>())
                (before.numel () / 2L)
                "more weights moved than bfloat16 would let"
    ]
