/// Nothing is left behind by a step: not a tensor, and not memory that libtorch still holds.
module Hybrid.Tests.Modules.MemoryTests

open System
open Expecto
open TorchSharp
open Hybrid
open Hybrid.Combinators
open Hybrid.Tests.Networks.Nets

/// Every kind of layer and join, on maps that are large enough for a leak to show.
let private net =
    let block = residual (name "body" (sequential [ conv 8; batchNorm; relu; conv 8; batchNorm ]))

    sequential [
        conv 8
        batchNorm
        leakyRelu
        block
        concat [ name "a" (conv 4); name "b" (maxPoolWith (Pool2d.square 3 1 1)); identity ]
        gelu
        avgPool 2
        activation Activation.Tanh
        globalAvgPool
        flatten
        linear 10
    ]

let private megabytes () =
    GC.Collect()
    GC.WaitForPendingFinalizers()
    float Environment.WorkingSet / 1024.0 / 1024.0

/// Live tensors after each of the first steps and after 1,000, and the growth of resident memory between.
let private flat (step: int -> unit) =
    let warm, last = 20, 1000
    GC.Collect()
    GC.WaitForPendingFinalizers()

    for index in 1..warm do
        step index

    let tensors, memory = torch.Tensor.TotalCount, megabytes ()

    for index in warm + 1 .. last do
        step index

    Expect.equal torch.Tensor.TotalCount tensors $"live tensors after step {warm} and after step {last}"
    Expect.isLessThan (megabytes () - memory) 24.0 $"megabytes between step {warm} and step {last}"

let private built optimizer =
    use generator = new torch.Generator(1UL, torch.CPU)

    let network =
        TorchModule.create Placement.cpu Initialisation.PyTorch generator (planOf (Shape.Image(3, 16, 16)) net)

    let model = Catalogue.find "ResNet" [] |> Result.defaultWith failwith
    network, { Recipe.published model with Optimizer = optimizer; LearningRate = 1e-3 }

let private batch () : Batch =
    use generator = new torch.Generator(2UL, torch.CPU)

    {
        Images = torch.randn ([| 8L; 3L; 16L; 16L |], generator = generator)
        Labels = torch.arange 8L
    }

// Counts belong to the whole process: nothing else may run meanwhile.
let tests =
    testSequenced
    <| testList "memory" [
        let usual recipe = recipe

        for optimizer, name, change in
            [
                Recipe.sgd, "SGD", usual
                Recipe.adamW, "AdamW", usual
                Recipe.rmsProp, "RMSprop", usual
                Recipe.sgd,
                "SGD, gathered, clipped and averaged",
                (fun recipe -> {
                    recipe with
                        Accumulate = 2
                        Clipping = Some(Clipping.Norm 1.0)
                        Average = Some 0.9
                })
                Recipe.adamW, "AdamW on a frozen body", (fun recipe -> { recipe with Body = BodyTraining.frozen })
            ] do
            testCase $"1,000 steps of {name}"
            <| fun () ->
                let network, recipe = built optimizer
                let recipe = change recipe
                use network = network
                use batch = batch ()
                let mutable state = Loop.start recipe network 1

                flat (fun _ ->
                    let next, metrics = Loop.step recipe network state (List.replicate recipe.Accumulate batch)
                    use _ = metrics
                    state <- next)

                (state :> IDisposable).Dispose()

        testCase "what TorchSharp leaves to the garbage collector is collected along the way"
        <| fun () ->
            let network, recipe = built Recipe.sgd
            use network = network
            use batch = batch ()
            let mutable state = Loop.start recipe network 100
            let before = GC.CollectionCount 0

            for _ in 1..100 do
                let next, metrics = Loop.step recipe network state [ batch ]
                (metrics :> IDisposable).Dispose()
                state <- next

            (state :> IDisposable).Dispose()
            Expect.isGreaterThanOrEqual (GC.CollectionCount 0 - before) 10 "collections in 100 steps"

        testCase "1,000 evaluations, with and without gradients asked for"
        <| fun () ->
            let network, _ = built Recipe.sgd
            use network = network
            use batch = batch ()
            network.eval ()

            flat (fun index ->
                use _ = if index % 2 = 0 then torch.no_grad () else torch.enable_grad ()
                use _ = network.forward batch.Images
                ())

        testCase "1,000 passes through a network that changes nothing"
        <| fun () ->
            use generator = new torch.Generator(1UL, torch.CPU)
            let plan = planOf (Shape.Image(3, 64, 64)) (name "a" (sum [ identity ]))
            use network = TorchModule.create Placement.cpu Initialisation.PyTorch generator plan
            use x = torch.zeros [| 8L; 3L; 64L; 64L |]
            flat (fun _ -> network.forward x |> ignore)
            Expect.isFalse x.IsInvalid "the input is alive"

        testCase "a disposed network gives its memory back, without waiting for the garbage collector"
        <| fun () ->
            use generator = new torch.Generator(1UL, torch.CPU)
            // 9 MB of weights, and as much of gradients.
            let plan = planOf (Shape.Image(512, 4, 4)) (conv 512)

            let build () =
                let network = TorchModule.create Placement.cpu Initialisation.PyTorch generator plan
                network.Dispose()

            build ()
            let memory = megabytes ()

            for _ in 1..20 do
                build ()

            Expect.isLessThan (float Environment.WorkingSet / 1024.0 / 1024.0 - memory) 60.0 "megabytes, of 360"
    ]
