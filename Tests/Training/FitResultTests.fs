module Hybrid.Tests.Training.FitResultTests

open System
open Expecto
open TorchSharp
open Hybrid
open Hybrid.Tests.Modules.Reference
open Hybrid.Tests.Training.SmallData
open Hybrid.Tests.Training.Runs

let private results =
    testList "results" [
        testCase "the same seed twice gives the same weights, byte for byte"
        <| fun () ->
            let recipe = { recipe with Shuffle = true; Augment = Augment.tutorial; Seed = 5L }

            let weights recipe =
                let events, network = fit recipe (Some(feed 4 others))
                use _ = network
                List.map string events, bitsOf network

            Expect.equal (weights recipe) (weights recipe) "the same events and weights"
            Expect.notEqual (weights recipe) (weights { recipe with Seed = 6L }) "another seed gives others"

        testCase "a run is a fold of steps over batches"
        <| fun () ->
            let _, trained = fit recipe None
            use trained = trained
            use network = build Placement.cpu 1 input tiny
            network.train true

            let last =
                (Loop.start recipe network 3, [ 0..1 ])
                ||> List.fold (fun state epoch ->
                    Batch.epoch (feed 4 data) recipe.Seed false false epoch 0
                    |> Loop.fold recipe network { state with Epoch = epoch; Batch = 0 })

            Expect.equal (last.Step, last.Optimizer.Steps) (6L, 6L) "steps"
            Expect.equal (bitsOf network) (bitsOf trained) "the same weights"
            (last :> IDisposable).Dispose()

        testCase "the loss of an epoch is the mean over its images"
        <| fun () ->
            let events = events { recipe with Epochs = 1; LogEvery = 1 } None

            let mean =
                List.zip (losses events) [ 4.0; 4.0; 2.0 ] |> List.sumBy (fun (loss, count) -> loss * count / 10.0)

            let trained =
                events
                |> List.pick (function
                    | TrainingEvent.EpochTrained(_, _, loss, _) -> Some loss
                    | _ -> None)

            Expect.floatClose Accuracy.veryHigh trained mean "mean"

        testCase "an evaluation counts what the network gets right, and leaves it as it was"
        <| fun () ->
            use _ = torch.NewDisposeScope()
            use network = build Placement.cpu 1 input tiny
            network.train true
            let before = bitsOf network
            let metrics = Loop.evaluate (Objective.CrossEntropy 0.0) network (feed 4 data)
            Expect.isTrue network.training "training, as before"
            Expect.equal (bitsOf network) before "unchanged"
            network.eval ()
            use all = Batch.epoch (feed 10 data) 0L false false 0 0 |> Seq.exactlyOne
            let logits = network.forward all.Images
            let hits = (numbers (logits.argmax 1L), numbers all.Labels) ||> Array.map2 (=) |> Array.filter id
            Expect.equal (metrics.Count, metrics.Correct) (10L, int64 hits.Length) "hits"
            let loss = (numbers (Objective.loss (Objective.CrossEntropy 0.0) logits all.Labels))[0]
            Expect.isLessThan (abs (metrics.Loss - loss)) 1e-6 "loss"

        testCase "a network learns what there is to learn"
        <| fun () ->
            let learned =
                events { recipe with Epochs = 200; Schedule = Schedule.Constant; LogEvery = 1 } None |> losses

            Expect.isGreaterThan (List.head learned) 2.0 "about log 10 at first"
            Expect.isLessThan (List.last learned) 0.5 "ten images by heart"
    ]

/// Numbers of tensors, to be put into others of the same names.
let private copied (tensors: (string * Tensor) seq) = [
    for key, tensor in tensors -> key, tensor.detach().clone().DetachFromDisposeScope()
]

let private put (copies: (string * Tensor) list) (tensors: (string * Tensor) seq) =
    use _ = torch.no_grad ()

    for (key, copy), (key', tensor) in Seq.zip copies tensors do
        Expect.equal key' key "the same tensors"
        tensor.copy_ copy |> ignore

let private weightsOf (network: TorchModule) =
    network.Weights.Specs |> Seq.map (fun spec -> spec.Key, network.Weights[spec.Key])

let private momentsOf (run: Fit) = run.OptimizerTensors |> Seq.map (fun struct (key, tensor) -> key, tensor)

let private again =
    testList "taken up again" [
        for name, recipe in
            [
                "SGD", recipe
                "AdamW", { recipe with Optimizer = Recipe.adamW }
                "gathered and clipped gradients, an average and a cycle",
                {
                    recipe with
                        Accumulate = 2
                        Clipping = Some(Clipping.Norm 0.5)
                        Average = Some 0.8
                        Schedule = Schedule.WarmUp(1, 0.5, Schedule.OneCycle Schedule.oneCycle)
                }
                "a body that is frozen for an epoch",
                {
                    recipe with
                        Optimizer = Recipe.adamW
                        Body = { FrozenEpochs = 1; RateFactor = 0.3 }
                }
            ] do
            testCase $"after any step, a run with {name} goes on as if it had not been stopped"
            <| fun () ->
                use _ = torch.NewDisposeScope()

                let recipe = { recipe with Shuffle = true; Augment = Augment.tutorial; LogEvery = 1 }

                let feed = { feed 4 data with Augment = recipe.Augment }
                let validation = Some(SmallData.feed 4 others)
                use whole = build Placement.cpu 1 input tiny
                use run = new Fit(recipe, whole, feed, validation)

                // What is there after each step, and what is told after it.
                let stops = ResizeArray()
                let told' = ResizeArray()

                for event in run do
                    told'.Add(string event)

                    if event.IsStepEnded then
                        stops.Add(told'.Count, run.Position, copied (weightsOf run.Network), copied (momentsOf run))

                for count, position, weights, moments in stops do
                    use network = build Placement.cpu 2 input tiny
                    use rest = new Fit(recipe, network, feed, validation, position)
                    put weights (weightsOf rest.Network)
                    put moments (momentsOf rest)
                    // The start and the place tell a run that was taken up.
                    let events = [ for event in rest -> string event ] |> List.skip 2
                    Expect.equal events (List.ofSeq (Seq.skip count told')) $"events after step {position.Step}"
                    Expect.equal (bitsOf network) (bitsOf whole) $"weights, from step {position.Step}"
                    Expect.equal (bitsOf rest.Network) (bitsOf run.Network) $"kept weights, from step {position.Step}"

        testCase "it says where it goes on"
        <| fun () ->
            use network = build Placement.cpu 1 input tiny

            let position = {
                TrainingPosition.start with
                    Epoch = 1
                    Batch = 2
                    Step = 5L
                    OptimizerSteps = 5L
            }

            use run = new Fit({ recipe with LogEvery = 50 }, network, feed 4 data, None, position)

            Expect.equal
                (run |> Seq.map told |> List.ofSeq)
                [ "start 2 3 10 0"; "again 1 5 2"; "step 1 5 2"; "trained 1 5"; "end 1 5"; "done 2 6" ]
                "events"
    ]

let tests = testList "results of a fit" [ results; again ]
