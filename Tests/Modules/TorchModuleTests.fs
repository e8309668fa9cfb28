module Hybrid.Tests.Modules.TorchModuleTests

open System
open Expecto
open TorchSharp
open Hybrid
open Hybrid.Combinators
open Hybrid.Tests.Networks.Nets
open Hybrid.Tests.Modules.Reference
open Hybrid.Tests.Modules.Built

let tests =
    testList "torch module" [
        testCase "order of branches is order of channels"
        <| fun () ->
            use _ = torch.NewDisposeScope()
            let branch channels = conv1x1 channels

            let net =
                concat [
                    name "a" (branch 2)
                    concat [ name "b" (branch 1); name "c" (branch 3) ]
                    identity
                    name "d" (branch 1)
                ]

            use network = build Layout.ChannelsLast 1 (planOf (Shape.Image(2, 3, 3)) net)

            do
                use _ = torch.no_grad ()

                for key, value in [ "a", 1.0; "b", 2.0; "c", 3.0; "d", 4.0 ] do
                    network.Weights[$"{key}.weight"].zero_() |> ignore
                    network.Weights[$"{key}.bias"].fill_(value.ToScalar()) |> ignore

            let out = network.forward (torch.ones([| 1L; 2L; 3L; 3L |], dtype = float64).mul(7.0.ToScalar()))

            let channels = [
                for channel in 0L .. out.shape[1] - 1L -> numbers (out.select (1L, channel)) |> Array.distinct
            ]

            Expect.equal
                channels
                [ for value in [ 1.0; 1.0; 2.0; 3.0; 3.0; 3.0; 7.0; 7.0; 4.0 ] -> [| value |] ]
                "channels"

        testCase "activations at a few points"
        <| fun () ->
            use _ = torch.NewDisposeScope()
            let points = [| -3.0; -0.5; 0.0; 0.5; 3.0 |]

            let of' kind =
                use network = build Layout.Contiguous 1 (planOf (Shape.Features 5) (activation kind))
                numbers (network.forward (torch.tensor(points).view(1L, 5L)))

            Expect.equal (of' Activation.Relu) [| 0.0; 0.0; 0.0; 0.5; 3.0 |] "ReLU"
            Expect.equal (of' Activation.LeakyRelu) [| -0.03; -0.005; 0.0; 0.5; 3.0 |] "leaky ReLU"
            Expect.isLessThan (difference (of' Activation.Tanh) (points |> Array.map tanh)) 1e-15 "tanh"

            // x·Φ(x), by another library's error function.
            let gelu = [| -0.00404969409489031; -0.15426876936299344; 0.0; 0.34573123063700656; 2.99595030590511 |]
            Expect.isLessThan (difference (of' Activation.Gelu) gelu) 1e-14 "GELU"

        testCase "a batch norm remembers a tenth of what it sees, and counts"
        <| fun () ->
            use _ = torch.NewDisposeScope()
            use network = build Layout.ChannelsLast 3 (planOf (Shape.Image(2, 1, 2)) (name "norm" batchNorm))
            let at key = numbers network.Weights[$"norm.{key}"]
            let mean, var = at "running_mean", at "running_var"
            let x = torch.tensor([| 1.0; 3.0; 10.0; 10.0; 5.0; 7.0; 20.0; 40.0 |]).view(2L, 2L, 1L, 2L)
            network.train true
            let _ = network.forward x
            // 1, 3, 5, 7 and 10, 10, 20, 40: means 4 and 20; sums of squares 20 and 600 over n - 1 = 3.
            let blend (old: float array) fresh = Array.map2 (fun old fresh -> 0.9 * old + 0.1 * fresh) old fresh
            Expect.isLessThan (difference (at "running_mean") (blend mean [| 4.0; 20.0 |])) 1e-14 "mean"
            Expect.isLessThan (difference (at "running_var") (blend var [| 20.0 / 3.0; 200.0 |])) 1e-14 "variance"
            Expect.equal (at "num_batches_tracked") [| 1.0 |] "one batch"
            let _ = network.forward x
            network.eval ()
            let _ = network.forward x
            Expect.equal (at "num_batches_tracked") [| 2.0 |] "two batches; evaluation does not count"

        testCase "a network that changes nothing hands on its own input"
        <| fun () ->
            use _ = torch.NewDisposeScope()
            let x = torch.ones ([| 2L; 3L; 4L; 4L |], dtype = float64)

            for net in
                [
                    identity
                    name "a" identity
                    sum [ identity ]
                    concat [ identity ]
                    identity >>> name "b" (sum [ identity ])
                ] do
                use network = build Layout.ChannelsLast 1 (planOf (Shape.Image(3, 4, 4)) net)
                network.train true

                for _ in 1..3 do
                    Expect.isTrue (obj.ReferenceEquals(network.forward x, x)) "the same tensor"

                Expect.isFalse x.IsInvalid "alive"

            Expect.equal (x.sum().item<float>()) 96.0 "unchanged"

        // libtorch 2.10 on processors with bfloat16 instructions: the weight gradient of a 3×3 convolution of stride 2
        // over a map of 3×1, channels last, holds memory that nobody wrote. Maps of the usual sizes are right.
        testCase "gradients in half precision are near those in single"
        <| fun () ->
            use _ = torch.NewDisposeScope()

            let net =
                sequential [
                    conv 16
                    batchNorm
                    relu
                    residual (name "body" (conv 16 >>> batchNorm >>> gelu))
                    concat [ name "a" (maxPool 2); name "b" (convWith (Conv2d.square 3 8 |> Conv2d.stride 2)) ]
                    globalAvgPool
                    flatten
                    linear 10
                ]

            let plan = planOf (Shape.Image(3, 16, 16)) net

            let gradients dtype =
                use generator = generator 5
                let placement = { Placement.cpu with DType = dtype }
                use network = TorchModule.create placement Initialisation.PyTorch generator plan
                network.train true
                let x = (batchFor generator 8 plan.In).``to`` dtype
                let out = network.forward x
                torch.nn.functional.cross_entropy(out.``to`` torch.ScalarType.Float32, torch.arange 8L).backward()
                numbers network.Weights.Grad

            let norm (x: float array) = x |> Array.sumBy (fun x -> x * x) |> sqrt
            let single, half = gradients torch.ScalarType.Float32, gradients torch.ScalarType.BFloat16
            Expect.isLessThan (norm (Array.map2 (-) half single)) (0.05 * norm single) "within 5%"

        testCase "a module stays where it was built"
        <| fun () ->
            use network = build Layout.ChannelsLast 1 (planOf (Shape.Image(3, 4, 4)) (conv 4))

            Expect.throwsT<NotSupportedException>
                (fun () -> network.``to`` torch.ScalarType.Float32 |> ignore)
                "precision"

        testCase "a disposed module lets go of its tensors"
        <| fun () ->
            let network = build Layout.ChannelsLast 1 (planOf (Shape.Image(3, 4, 4)) (conv 4 >>> batchNorm))
            let tensors = [ for spec in network.Weights.Specs -> network.Weights[spec.Key] ]
            network.Dispose()
            Expect.all tensors (fun tensor -> tensor.IsInvalid) "all released"
    ]
