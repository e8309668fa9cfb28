module Hybrid.Tests.Inference.FusionTests

open System
open System.Globalization
open System.Runtime.InteropServices
open Expecto
open FsCheck.FSharp
open TorchSharp
open Hybrid
open Hybrid.Combinators
open Hybrid.Host.Checkpoints
open Hybrid.Tests.Checkpoints.Handmade
open Hybrid.Tests.Networks
open Hybrid.Tests.Networks.Nets
open Hybrid.Tests.Modules.Reference

let private bfloat16 = { Placement.cpu with DType = torch.ScalarType.BFloat16 }

/// A network whose norms have seen something: shifts, scales of both signs, statistics of their own.
let private build placement (seed: int) (plan: Plan) =
    use generator = generator seed

    let network =
        TorchModule.create placement (Initialisation.KaimingNormal(Fan.In, Activation.Relu)) generator plan

    use _ = torch.NewDisposeScope()
    use _ = torch.no_grad ()

    for spec in network.Weights.Specs do
        let tensor = network.Weights[spec.Key]
        let noise size = (random generator (List.ofArray tensor.shape) * (size: float).ToScalar()).``to`` tensor.dtype

        match spec.Role with
        | Role.Weight when tensor.dim () > 1L -> ()
        | Role.Weight -> tensor.add_ (noise 0.7) |> ignore
        | Role.Bias
        | Role.RunningMean -> tensor.add_ (noise 0.3) |> ignore
        | Role.RunningVar -> tensor.add_ (noise(0.3).abs()) |> ignore
        | Role.NumBatchesTracked -> ()

    network.eval ()
    network

let private batchFor (placement: Placement) (generator: torch.Generator) count shape =
    let size = Array.ofList (int64 count :: List.map int64 (Shape.dims shape))
    let x = torch.randn (size, generator = generator)
    x.``to`` placement.DType |> Layout.apply placement.Layout

let private agree tolerance placement seed plan =
    use _ = torch.NewDisposeScope()
    use generator = generator seed
    use network = build placement seed plan
    use fused = Fusion.ofWeights network.Weights
    let x = batchFor placement generator 3 plan.In
    let before = x.clone ()
    let expected = network.forward(x).detach()

    // TorchScript looks at the first calls and compiles later ones anew.
    for call in 1..4 do
        close tolerance $"call {call}" (fused.forward x) expected

    Expect.equal (numbers x) (numbers before) "the input is as it was"

let private seeded = Arb.fromGen (Gen.zip (Arb.toGen working) (Gen.choose (0, 1_000_000)))

let private dense =
    sequential [ Blocks.denseBlock Activation.Relu 2 4 3; Blocks.transition Activation.Relu 6; relu ]

/// Places where something is folded, and where nothing may be.
let private places = [
    "padding of four sides", sequential [ convWith (Conv2d.square 3 4 |> Conv2d.margins 2 0 1 3); batchNorm; relu ]
    "padding of four sides in front of a sum",
    sequential [ sum [ conv 4; convWith (Conv2d.square 3 4 |> Conv2d.margins 2 0 0 2) ]; relu ]
    "same padding, each channel for itself",
    sequential [
        conv 4
        convWith (Conv2d.depthwise 3 4 |> Conv2d.stride 2 |> Conv2d.same)
        activation Activation.Relu6
    ]
    "a sum whose last convolution is left out at times",
    sequential [
        conv 4
        relu
        residual (chain [ name "b" (sequential [ conv 4; batchNorm ]); stochasticDepth 0.5 ])
        relu
    ]
    "norms one after the other", conv 4 >>> name "a" batchNorm >>> name "b" batchNorm >>> relu
    "a norm in front", name "a" batchNorm >>> name "b" (conv1x1 5)
    "norm and ReLU before a 1×1 convolution", sequential [ conv 4; relu; batchNorm; relu; conv1x1 5; batchNorm; gelu ]
    "norm and ReLU before a padded convolution", sequential [ batchNorm; relu; conv 5 ]
    "norm and GELU before a 1×1 convolution", sequential [ batchNorm; gelu; conv1x1 5 ]
    "a 1×1 convolution of stride 2",
    sequential [ batchNorm; relu; convWith (Conv2d.square 1 5 |> Conv2d.stride 2 |> Conv2d.noBias) ]
    for kind in List.map snd Activations.named do
        $"a sum and {Activations.name kind}",
        sequential [ conv 4; residual (name "body" (sequential [ conv 4; batchNorm ])); activation kind ]
    "a sum with the network's own input", residual (name "body" (conv 3)) >>> relu
    "a sum of one convolution and what it reads", sequential [ conv 3; residual (name "body" (conv 3)); relu ]
    "a sum of three", sequential [ conv 4; sum [ identity; name "a" (conv 4); name "b" (sequential [ conv 4; relu ]) ] ]
    "a sum without a convolution at the end", sequential [ conv 4; sum [ identity; relu; gelu ] ]
    "twice the same", sequential [ conv 4; sum [ identity; identity ]; relu ]
    "a dense block", dense
    "a dense block on the network's own input",
    sequential [ Blocks.denseLayer Activation.Relu 2 4; Blocks.denseLayer Activation.Relu 2 4 ]
    "a dense block whose new channels come last",
    sequential [
        for _ in 1..3 do
            concat [ identity; sequential [ batchNorm; relu; conv1x1 8; batchNorm; relu; conv 4 ] ]
    ]
    "dense blocks of both orders",
    sequential [
        concat [ identity; sequential [ batchNorm; relu; conv1x1 3 ] ]
        concat [ sequential [ batchNorm; relu; conv1x1 4 ]; identity ]
        concat [ identity; sequential [ batchNorm; relu; conv1x1 5 ] ]
    ]
    "a dense block that is not of ReLU", Blocks.denseBlock Activation.Tanh 2 4 2
    "the input as it is", identity
    "pools and a head", sequential [ maxPoolWith (Pool2d.square 3 2 1); avgPool 2; globalAvgPool; flatten; linear 7 ]
    "nothing but a head", flatten >>> linear 7
]

let tests =
    testList "fusion" [
        for what, net in places do
            testCase what
            <| fun () ->
                let plan = planOf (Shape.Image(3, 8, 8)) net
                agree 1e-5 Placement.cpu 1 plan
                agree 5e-2 bfloat16 2 plan

        for name in Catalogue.tutorial do
            testCase name
            <| fun () ->
                let model = Catalogue.find name [] |> Result.defaultWith failtest
                agree 1e-4 Placement.cpu 3 (planOf (Shape.Image(3, 32, 32)) model.Net)

        for name, overrides, input in Zoo.members do
            testCase $"{name} in a small form"
            <| fun () ->
                let model = Catalogue.find name overrides |> Result.defaultWith failtest
                agree 1e-4 Placement.cpu 3 (planOf input model.Net)

        for name in Catalogue.tutorial do
            testCase $"{name} with its published weights"
            <| fun () ->
                use _ = torch.NewDisposeScope()
                use generator = generator 4
                let path = shared $"golden/tutorial5/{name}.ckpt"
                use network = TrainedModel.Read(path, Requests.Unnamed).Build Placement.cpu
                use fused = Fusion.ofWeights network.Weights
                let x = batchFor Placement.cpu generator 16 network.Plan.In
                let furthest = (fused.forward (x) - network.forward(x).detach()).abs().max()
                Expect.isLessThan (furthest.item<float32>()) 1e-4f "furthest logit"

        propertyOf 60 "networks of all kinds" seeded (fun (it, seed) ->
            agree 1e-4 Placement.cpu seed (planOf it.Input it.Net))

        testCase "where a number has a comma and another minus"
        <| fun () ->
            let usual = CultureInfo.CurrentCulture

            let other =
                match CultureInfo.InvariantCulture.Clone() with
                | :? CultureInfo as culture -> culture
                | _ -> usual

            other.NumberFormat.NumberDecimalSeparator <- ","
            other.NumberFormat.NegativeSign <- "\u2212"
            CultureInfo.CurrentCulture <- other

            try
                for what, net in places do
                    agree 1e-5 Placement.cpu 1 (planOf (Shape.Image(3, 8, 8)) net)
            finally
                CultureInfo.CurrentCulture <- usual

        testCase "a fused network keeps the weights it was made of"
        <| fun () ->
            use _ = torch.NewDisposeScope()
            use generator = generator 1
            let plan = planOf (Shape.Image(3, 8, 8)) (conv 4 >>> batchNorm >>> relu >>> flatten >>> linear 3)
            let network = build Placement.cpu 1 plan
            use fused = Fusion.ofWeights network.Weights
            let x = batchFor Placement.cpu generator 2 plan.In
            let before = numbers (fused.forward x)

            do
                use _ = torch.no_grad ()
                network.Weights.Flat.zero_ () |> ignore

            network.Dispose()
            Expect.equal (numbers (fused.forward x)) before "the same logits"

        testCase "norm scales of zero"
        <| fun () ->
            use _ = torch.NewDisposeScope()
            use generator = generator 1
            let plan = planOf (Shape.Image(4, 8, 8)) (sequential [ batchNorm; relu; conv1x1 5 ])
            use network = build Placement.cpu 1 plan
            let scale, shift = network.Weights["0.weight"], network.Weights["0.bias"]

            do
                use _ = torch.no_grad ()
                scale.copy_ (torch.tensor [| 0.0f; 0.0f; 1e-30f; -2.0f |]) |> ignore
                shift.copy_ (torch.tensor [| 1.0f; -1.0f; 3.0f; 0.5f |]) |> ignore

            use fused = Fusion.ofWeights network.Weights
            let x = batchFor Placement.cpu generator 2 plan.In
            close 1e-5 "logits" (fused.forward x) (network.forward x)

        testCase "where fusing pays"
        <| fun () ->
            Expect.isTrue (Fusion.paysAt Placement.cpu) "on the CPU"
            Expect.isFalse (Fusion.paysAt { Placement.cpu with DType = torch.ScalarType.Float64 }) "float64 stays"
            let gpu = { Placement.cpu with Device = new torch.Device(DeviceType.CUDA, 0) }
            Expect.isFalse (Fusion.paysAt gpu) "and so does what is on a GPU"
    ]
