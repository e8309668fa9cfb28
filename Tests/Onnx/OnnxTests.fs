module Hybrid.Tests.Onnx.OnnxTests

open System.Globalization
open System.IO
open Expecto
open FsCheck.FSharp
open TorchSharp
open Hybrid
open Hybrid.Combinators
open Hybrid.Tests.Networks
open Hybrid.Tests.Networks.Nets
open Hybrid.Tests.Modules.Reference
open Hybrid.Tests.Modules.Built

let private opsets = [ fst Onnx.opsets .. snd Onnx.opsets ]

let private folds = { Onnx.usual with Fold = true }

/// A network in double precision whose norms have seen something, and have scales of both signs.
let private built seed plan =
    let network = build Layout.ChannelsLast seed plan
    use generator = generator seed
    use _ = torch.NewDisposeScope()
    use _ = torch.no_grad ()

    for spec in network.Weights.Specs do
        if spec.Role = Role.Weight && spec.Dims.Length = 1 then
            network.Weights[spec.Key].add_(random generator (List.map int64 spec.Dims) * 0.7.ToScalar())
            |> ignore

    network.eval ()
    network

let private expected (network: TorchModule) (x: Tensor) =
    use _ = torch.no_grad ()
    network.forward x

/// Written so and run, a network gives what libtorch gives in double precision.
let private agrees tolerance options optimised (network: TorchModule) batches =
    use session = Ort.openSession optimised (Ort.write options network)
    use generator = generator 5

    for count in batches do
        use _ = torch.NewDisposeScope()
        let x = batchFor generator count network.Plan.In
        close tolerance $"{count} images, {options}, optimised: {optimised}" (Ort.run session x) (expected network x)

let private image = Shape.Image(3, 9, 8)

let private each net = [
    for opset in opsets do
        use network = built 1 (planOf image net)
        agrees 1e-5 { Onnx.usual with Opset = opset } false network [ 1; 3 ]
        agrees 1e-5 { folds with Opset = opset } true network [ 2 ]
]

/// One of every sort of layer, as its form has it and otherwise.
let private layers = [
    for layer, _ in Layers.forms do
        match layer with
        | Layer.Linear _ -> "a linear layer", flatten >>> linear 5
        | Layer.Conv2d _ -> "a convolution", conv 5
        | layer -> Layers.name layer, conv 4 >>> Net.Layer layer
    "a linear layer without bias", flatten >>> Net.Layer(Layer.Linear(3, false))
    "a rectangle", convWith { Conv2d.rectangle 1 5 4 with Stride = { Height = 2; Width = 1 } }
    "groups and dilation", conv 4 >>> convWith (Conv2d.square 3 6 |> Conv2d.groups 2 |> Conv2d.dilation 2)
    "four sides", convWith (Conv2d.square 3 4 |> Conv2d.stride 2 |> Conv2d.margins 0 2 3 1) >>> batchNorm
    "same padding", convWith (Conv2d.square 3 4 |> Conv2d.stride 2 |> Conv2d.same) >>> batchNorm
    "a norm with settings", conv 4 >>> batchNormWith 1e-3 0.01
    "a linear layer of pixels without bias", conv 4 >>> Net.Layer(Layer.PixelLinear(3, false))
    "groups of a norm", conv 6 >>> groupNorm 3
    "a norm of features", flatten >>> linear 6 >>> groupNorm 2
    "a layer norm", conv 6 >>> layerNorm
    "a scale of features", flatten >>> linear 6 >>> layerScale 0.5
    "squeeze and excite", conv 4 >>> product [ identity; globalAvgPool >>> conv1x1 4 >>> sigmoid ]
    "a product with itself", product [ identity; identity; identity ]
    "a sum with itself", sum [ identity; identity ]
    "a concatenation", concat [ conv 2; identity; conv1x1 1 >>> relu ]
    "features side by side", flatten >>> concat [ linear 3; linear 2 ]
    "the input as it is", identity
    "nothing but noise", dropout 0.5
    "noise at the end", conv 4 >>> dropout 0.5
    "names that ONNX would not take", name "né \"\\\n☃" (conv 2) >>> name "né_\"\\\n☃" (conv 2) >>> relu
]

/// Places where something is folded, and where nothing may be.
let private norms = [
    "norms one after the other", conv 4 >>> name "a" batchNorm >>> name "b" batchNorm >>> relu, 0
    "a norm in front of a convolution", name "a" batchNorm >>> name "b" (conv 5), 1
    "a norm in front of a 1×1 convolution", sequential [ batchNorm; relu; conv1x1 5; batchNorm ], 1
    "a convolution of groups", sequential [ conv 4; convWith (Conv2d.depthwise 3 4 |> Conv2d.noBias); batchNorm ], 0
    "behind a fork", sequential [ concat [ conv 2; conv1x1 2 ]; batchNorm ], 1
    "in another branch", sequential [ conv 4; sum [ identity; batchNorm ] ], 1
]

let private operators (graph: OnnxGraph) = graph.Nodes |> List.countBy _.Op |> Map

let private zoo = [ for name in Catalogue.tutorial -> name, Catalogue.find name [] |> Result.defaultWith failtest ]

let private side kernel stride padding ceiling length = int (Shape.slide ceiling (int64 kernel) stride padding length)

let tests =
    testList "onnx" [
        for what, net in layers do
            testCase what (fun () -> each net |> ignore)

        for what, net, left in norms do
            testCase what
            <| fun () ->
                each net |> ignore
                use network = built 1 (planOf image net)
                let graph = Onnx.graph folds "Network" network.Weights
                let kept = operators graph |> Map.tryFind "BatchNormalization" |> Option.defaultValue 0
                Expect.equal kept left "norms that are left"

        for name, model in zoo do
            testCase $"{name} for every batch"
            <| fun () ->
                use network = built 3 (planOf (Shape.Image(3, 32, 32)) model.Net)

                for options in [ Onnx.usual; folds ] do
                    for optimised in [ false; true ] do
                        let batches = if optimised then [ 1; 2; 3; 7; 17; 128 ] else [ 1; 7 ]
                        agrees 1e-5 options optimised network batches

        for name, overrides, input in Zoo.members do
            testCase $"{name} in a small form"
            <| fun () ->
                let model = Catalogue.find name overrides |> Result.defaultWith failtest
                // Scales of norms near one: with others in fifty layers, one behind the other, single precision itself is
                // off by more than this.
                use network = build Layout.ChannelsLast 3 (planOf input model.Net)
                network.eval ()
                agrees 1e-5 Onnx.usual false network [ 1 ]
                agrees 1e-5 folds true network [ 2 ]

        // Half precision has eleven digits of two: what is lost grows with the depth.
        for what, net in layers do
            testCase $"{what} in half precision"
            <| fun () ->
                use network = built 1 (planOf image net)
                agrees 5e-3 { Onnx.usual with Half = true } true network [ 1; 3 ]
                agrees 5e-3 { folds with Half = true; Opset = 21 } false network [ 2 ]

        for name, model in zoo do
            testCase $"{name} in half precision"
            <| fun () ->
                use network = built 3 (planOf (Shape.Image(3, 32, 32)) model.Net)

                for fold in [ false; true ] do
                    agrees 2e-2 { Onnx.usual with Half = true; Fold = fold } true network [ 1; 7 ]

        testCase "half precision is half as long, and its input and output are single"
        <| fun () ->
            use network = built 1 (planOf image (sequential [ conv 64; conv 64; relu ]))
            let whole, half = Ort.write Onnx.usual network, Ort.write { Onnx.usual with Half = true } network
            Expect.isLessThan (float half.Length / float whole.Length) 0.52 "weights"
            use session = Ort.openSession true half
            Expect.equal session.InputMetadata["input"].ElementType typeof<float32> "input"
            Expect.equal session.OutputMetadata["output"].ElementType typeof<float32> "output"

        testCase "small variances and scales are not nothing in half precision, and large sums no infinity"
        <| fun () ->
            let plan = planOf (Shape.Image(2, 40, 40)) (sequential [ batchNorm; layerScale 1e-7; globalAvgPool ])
            use network = build Layout.ChannelsLast 1 plan
            network.eval ()
            use _ = torch.NewDisposeScope()
            use _ = torch.no_grad ()

            for spec in network.Weights.Specs do
                if spec.Role = Role.RunningVar then
                    network.Weights[spec.Key].fill_(1e-9.ToScalar()) |> ignore

            use session = Ort.openSession true (Ort.write { Onnx.usual with Half = true } network)
            let x = torch.full ([| 1L; 2L; 40L; 40L |], 100.0.ToScalar(), dtype = torch.ScalarType.Float64)
            let out, right = numbers (Ort.run session x), numbers (expected network x)

            for out, right in Array.zip out right do
                Expect.isLessThan (abs (out / right - 1.0)) 2e-3 $"{out} for {right}"

        testCase "a weight beyond half precision is named"
        <| fun () ->
            use network = built 1 (planOf image (name "first" (conv 4)))
            use _ = torch.no_grad ()
            network.Weights["first.weight"].fill_(7e4.ToScalar()) |> ignore
            Ort.write Onnx.usual network |> ignore

            Expect.throwsC (fun () -> Ort.write { Onnx.usual with Half = true } network |> ignore) (fun error ->
                Expect.stringContains error.Message "first.weight has the number 70000" "which"
                Expect.stringContains error.Message "single precision" "what to do")

        propertyOf
            60
            "networks of all kinds"
            (Arb.fromGen (Gen.zip (Arb.toGen working) (Gen.choose (0, 1_000_000))))
            (fun (it, seed) ->
                use network = built seed (planOf it.Input it.Net)
                agrees 1e-5 Onnx.usual (seed % 2 = 0) network [ 1; 3 ]
                agrees 1e-5 { folds with Opset = 17 + seed % 5 } (seed % 2 = 1) network [ 2 ]
                // Opens and runs: how much is lost is the network's own affair.
                use session = Ort.openSession (seed % 3 = 0) (Ort.write { Onnx.usual with Half = true } network)
                use x = batchFor (generator 5) 2 network.Plan.In
                use _ = Ort.run session x
                ())

        for opset in [ 17; 19 ] do
            testCase $"pools with paddings and ceilings at opset {opset}"
            <| fun () ->
                let pools = [
                    for kernel in 1..4 do
                        for stride in 1..4 do
                            for padding in 0 .. kernel / 2 do
                                for ceiling in [ false; true ] do
                                    { Pool2d.square kernel stride padding with Ceiling = ceiling }
                ]

                for height, width in [ 4, 5; 6, 7; 8, 9; 10, 11 ] do
                    // All that make maps of one size are branches of one network.
                    for (rows, columns), alike in
                        pools
                        |> List.groupBy (fun it ->
                            let side = side it.Kernel it.Stride it.Padding it.Ceiling
                            side height, side width) do
                        let net =
                            concat [
                                for pool in alike do
                                    maxPoolWith pool
                                    avgPoolWith pool
                            ]

                        use network = built 1 (planOf (Shape.Image(2, height, width)) net)
                        agrees 1e-6 { Onnx.usual with Opset = opset } (rows % 2 = columns % 2) network [ 2 ]

        testCase "a network in training is written as in evaluation"
        <| fun () ->
            use network = built 1 (planOf image (sequential [ conv 4; batchNorm; dropout 0.5; relu ]))
            let inEvaluation = Ort.write Onnx.usual network
            network.train ()
            Expect.equal (Ort.write Onnx.usual network) inEvaluation "the same bytes"
            Expect.isTrue network.training "in the mode that it was in"

        testCase "the same bytes whatever the culture and the layout in memory"
        <| fun () ->
            let written layout =
                use network = build layout 1 (planOf image (sequential [ conv 4; batchNorm; gelu; groupNorm 2 ]))
                Ort.write Onnx.usual network

            let usual = written Layout.ChannelsLast
            Expect.equal (written Layout.Contiguous) usual "layouts"
            let before = CultureInfo.CurrentCulture
            // As in Germany and in Iran: the tests run where no culture but the invariant one is known.
            let culture = CultureInfo.InvariantCulture.Clone() :?> CultureInfo
            culture.NumberFormat.NumberDecimalSeparator <- ","
            culture.NumberFormat.NegativeSign <- "\u200e\u2212"

            try
                CultureInfo.CurrentCulture <- culture
                Expect.equal (written Layout.ChannelsLast) usual "cultures"
            finally
                CultureInfo.CurrentCulture <- before

        for opset in opsets do
            testCase $"a file of opset {opset}"
            <| fun () ->
                use network =
                    built
                        1
                        (planOf image (sequential [ conv 4; batchNorm; activation Activation.Relu6; flatten; linear 3 ]))

                let file = Ort.write { Onnx.usual with Opset = opset } network

                let format =
                    if opset < 19 then 8uy
                    elif opset < 21 then 9uy
                    else 10uy

                Expect.equal file[..1] [| 8uy; format |] "the oldest format for it"
                use session = Ort.openSession true file
                Expect.equal (List.ofSeq session.InputNames) [ "input" ] "weights are no inputs"
                Expect.isEmpty session.OverridableInitializerMetadata "nor can others be given"
                Expect.equal (List.ofSeq session.OutputNames) [ "output" ] "one output"
                Expect.equal session.InputMetadata["input"].Dimensions [| -1; 3; 9; 8 |] "any batch"
                Expect.equal session.InputMetadata["input"].SymbolicDimensions[0] "batch" "by name"
                Expect.equal session.OutputMetadata["output"].Dimensions [| -1; 3 |] "the output"
                Expect.equal session.ModelMetadata.ProducerName "Hybrid" "who wrote it"

        testCase "what is said of a network"
        <| fun () ->
            use network = built 1 (planOf image relu)
            use target = new MemoryStream()
            Onnx.write Onnx.usual "Réseau" [ "classes", """["Äpfel","ok"]"""; "model", "Réseau" ] network.Weights target
            use session = Ort.openSession true (target.ToArray())
            let said = session.ModelMetadata
            Expect.equal said.CustomMetadataMap["classes"] """["Äpfel","ok"]""" "as it was given"
            Expect.equal said.CustomMetadataMap.Count 2 "nothing else"

        testCase "a network that no file holds is refused before anything is allocated"
        <| fun () ->
            let plan = planOf (Shape.Features 16384) (Net.Layer(Layer.Linear(32768, false)))
            let problem = Onnx.problem Onnx.usual plan |> Option.defaultWith (fun () -> failtest "taken")
            Expect.stringContains problem "2,147,483,648 bytes" "how large"

            Expect.isNone
                (Onnx.problem Onnx.usual (planOf (Shape.Features 16384) (Net.Layer(Layer.Linear(32767, false)))))
                "one less"
    ]
