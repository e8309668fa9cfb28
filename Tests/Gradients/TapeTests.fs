/// What a pass owns: every tensor is released once, and what is left is freed with the tape.
module Hybrid.Tests.Gradients.TapeTests

open System
open Expecto
open TorchSharp
open Hybrid
open Hybrid.Combinators
open Hybrid.Tests.Networks.Nets
open Hybrid.Tests.Modules.Reference
open Hybrid.Tests.Gradients.DestinationTests

/// Forks of all kinds, with siblings, and every way of adding to a sum.
let private net =
    let front channels = conv1x1 channels >>> batchNorm >>> relu

    sequential [
        conv 16
        batchNorm
        relu
        residual (name "a" (sequential [ conv 16; batchNorm; relu; conv 16; batchNorm ]))
        relu
        name "b" (concat [ front 17 >>> conv 16; front 16; maxPoolWith (Pool2d.square 3 1 1); identity ])
        name "c" (sum [ identity; conv 64; batchNorm >>> relu >>> conv 64; maxPoolWith (Pool2d.square 3 1 1) ])
        name "d" (product [ identity; globalAvgPool >>> conv1x1 64 >>> sigmoid ])
        name
            "e"
            (sum [
                convWith (Conv2d.square 3 8 |> Conv2d.stride 2)
                convWith (Conv2d.square 1 8 |> Conv2d.padding 0 |> Conv2d.stride 2)
            ])
        gelu
        avgPool 2
        flatten
        name "f" (sum [ linear 6; linear 6 >>> activation Activation.Tanh ])
    ]

/// Output and gradients of one pass, and how many tensors its tape is left with.
let private passed prepare dtype =
    use _ = torch.NewDisposeScope()
    use network = built dtype (planOf input net)
    use tape = new Tape(prepare)

    let struct (y, back) =
        Gradient.compile network.Weights { Tape = tape; Draws = null } (imagesOf dtype input)

    back (imagesOf y.dtype network.Plan.Out)
    numbers y, numbers network.Weights.Grad, tape.Count

/// Live tensors stay as many as they were, however often that is done.
let private flat (work: unit -> unit) =
    let rec count () =
        GC.Collect()
        GC.WaitForPendingFinalizers()
        torch.Tensor.TotalCount

    for _ in 1..3 do
        work ()

    let before = count ()

    for _ in 1..50 do
        work ()

    // Not collected first: nothing may wait for that.
    Expect.equal torch.Tensor.TotalCount before "live tensors"

let private throwing (work: unit -> unit) =
    let threw =
        try
            work ()
            false
        with _ ->
            true

    Expect.isTrue threw "an exception"

let tests =
    testList "what a pass holds" [
        for dtype in [ torch.ScalarType.Float32; torch.ScalarType.BFloat16 ] do
            test $"is written before it is read, and released, {dtype}" {
                let y, gradient, left = passed ignore dtype
                let y', gradient', left' = passed poison dtype
                Expect.equal left 0 "tensors left on the tape"
                Expect.equal left' 0 "tensors left on the tape, poisoned"
                Expect.isFalse (Array.exists Double.IsNaN gradient) "numbers"
                Expect.equal y' y "output"
                Expect.equal gradient' gradient "gradients"
            }

        test "nothing is released twice" {
            use tape = new Tape()
            let it = tape.Hold(torch.zeros [| 2L |])
            it.Release()
            Expect.throwsT<InvalidOperationException> it.Release "a second time"
        }

        test "memory is alone with its last reader, and a part of it never is" {
            use tape = new Tape()
            let it = tape.Hold(torch.zeros [| 2L; 3L |])
            let part = it.View(it.Tensor.narrow (1L, 0L, 1L))
            Expect.isFalse it.IsAlone "another reads a part"
            it.Release()
            Expect.isFalse part.IsAlone "there is memory around it"
            let lent = tape.Lend(torch.zeros [| 2L |])
            Expect.isFalse lent.IsAlone "its owner reads it"
        }
    ]

// Counts belong to the whole process: nothing else may run meanwhile.
let freed =
    testSequenced
    <| testList "memory of a pass" [
        let network = lazy (built torch.ScalarType.Float32 (planOf input net))
        let images = lazy (imagesOf torch.ScalarType.Float32 input)

        test "is freed where the pass never goes back" {
            flat (fun () ->
                use pass = network.Value.pass images.Value
                ignore pass.Output)
        }

        test "is freed where it goes back" {
            flat (fun () ->
                use pass = network.Value.pass images.Value
                use loss = pass.Output.sum ()
                loss.backward ()
                pass.Backward())
        }

        test "is freed where the loss throws" {
            let network, images = network.Value, images.Value

            flat (fun () ->
                throwing (fun () ->
                    use pass = network.pass images
                    use target = torch.zeros ([| 3L |], dtype = torch.ScalarType.Int64)
                    torch.nn.functional.cross_entropy(pass.Output, target).Dispose()))
        }

        test "is freed where a layer throws" {
            // The maps are larger than the plan says, so that the last layers cannot read what comes out.
            use larger = torch.zeros [| 4L; 16L; 20L; 20L |]
            let network = network.Value
            flat (fun () -> throwing (fun () -> (network.pass larger :> IDisposable).Dispose()))
        }

        test "is freed where the way back throws" {
            let network, images = network.Value, images.Value

            flat (fun () ->
                throwing (fun () ->
                    use tape = new Tape()

                    let struct (y, back) = Gradient.compile network.Weights { Tape = tape; Draws = null } images

                    use _ = y
                    back (torch.zeros [| 4L; 9L |])))
        }

        test "a pass goes backward once" {
            use pass = network.Value.pass images.Value
            use loss = pass.Output.sum ()
            loss.backward ()
            pass.Backward()
            let gradient = numbers network.Value.Weights.Grad
            pass.Backward()
            Expect.equal (numbers network.Value.Weights.Grad) gradient "a second time changes nothing"
        }

        test "a network that changes nothing leaves the batch to its owner" {
            for dtype in [ torch.ScalarType.Float32; torch.ScalarType.Float64 ] do
                let plan = planOf input (name "a" (sum [ identity ]))
                use network = new TorchModule(new Weights(plan, { Placement.cpu with DType = dtype }))
                network.train true
                use images = imagesOf dtype input
                (network.pass images :> IDisposable).Dispose()
                Expect.isFalse images.IsInvalid "the batch is alive"
        }
    ]
