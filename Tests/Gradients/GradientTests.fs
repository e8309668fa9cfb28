module Hybrid.Tests.Gradients.GradientTests

open Expecto
open TorchSharp
open Hybrid
open Hybrid.Combinators
open Hybrid.Tests.Networks
open Hybrid.Tests.Networks.Nets
open Hybrid.Tests.Modules.Reference
open Hybrid.Tests.Modules
open Hybrid.Tests.Modules.Built

/// The same weights and statistics in the precision and the layout that training takes by default.
let private copied dtype (source: TorchModule) =
    use _ = torch.no_grad ()
    let network = new TorchModule(new Weights(source.Plan, { Placement.cpu with DType = dtype }))

    for spec in source.Weights.Specs do
        network.Weights[spec.Key].copy_ source.Weights[spec.Key] |> ignore

    network.train true
    network

let private statistics (network: TorchModule) =
    network.Weights.Specs
    |> Array.filter (fun spec -> not spec.IsParameter)
    |> Array.map (fun spec -> spec.Key, network.Weights[spec.Key])

let private gradients (network: TorchModule) =
    network.Weights.Parameters
    |> Array.map (fun (spec, _) -> spec.Key, network.Weights.Gradient spec.Key)

/// Output and the gradients of all parameters, of the sum of the output times `direction`.
let private byAutograd (network: TorchModule) (x: Tensor) (direction: Tensor) =
    let out = network.forward x
    (out * direction).sum().backward()
    out

let private byPass (network: TorchModule) (x: Tensor) (direction: Tensor) =
    let pass = network.pass x
    (pass.Output * direction).sum().backward()
    pass.Backward()
    pass.Output

/// Largest difference, in units of `size` or the largest expected number.
let private error size (actual: Tensor) (expected: Tensor) =
    let actual, expected = numbers actual, numbers expected
    let scale = expected |> Array.fold (fun scale it -> max scale (abs it)) size
    Array.map2 (fun a e -> abs (a - e) / scale) actual expected |> Array.fold max 0.0

/// A bias in front of a norm has no gradient but rounding errors.
let private idle (plan: Plan) =
    let rec keys (before: TensorSpec list) (plans: Plan list) =
        match plans with
        | [] -> []
        | plan :: rest ->
            match plan.Node with
            | PlanNode.Layer { Layer = Layer.Conv2d _; Tensors = tensors } ->
                keys (tensors |> List.filter (fun spec -> spec.Role = Role.Bias)) rest
            | PlanNode.Layer { Layer = Layer.BatchNorm2d _ } -> before @ keys [] rest
            | PlanNode.Layer _ -> keys [] rest
            | PlanNode.Chain members -> keys before (members @ rest)
            | PlanNode.Fork(_, branches) -> List.collect (fun branch -> keys [] [ branch ]) branches @ keys [] rest

    keys [] [ plan ] |> List.map _.Key |> set

/// The batch in float64, moved by about as much as rounding to the precision moves it: how much rounding an input meets
/// differs by far from one to the next where a network's own numbers cancel out.
let private neighbour generator dtype (batch: Tensor) =
    let half = 2.0 ** (if dtype = torch.ScalarType.BFloat16 then -9.0 else -25.0)

    let moves =
        torch.rand (batch.shape, dtype = batch.dtype, generator = generator) * 2.0.ToScalar()
        - 1.0.ToScalar()

    batch * (moves * half.ToScalar() + 1.0.ToScalar())

/// Where the pass and autograd in float64 differ by more than rounding, of which autograd in the same precision says how
/// much there is, on the batch itself and on its neighbours.
let private differences seed (dtype: torch.ScalarType) (slack: float) count (plan: Plan) =
    use _ = torch.NewDisposeScope()
    use generator = generator seed
    use exact = build Layout.Contiguous seed plan
    exact.train true
    let x = batchFor generator count plan.In
    let direction = batchFor generator count plan.Out
    let expected = byAutograd exact x direction
    let idle = idle plan
    let largest = exact.Weights.Grad.abs().max().item<float>()

    /// What a step leaves, and the size below which a difference of it is told in units of that size.
    let left (network: TorchModule) out = [
        "the output", 1e-3, out

        for key, statistic in statistics network do
            key, 1e-3, statistic

        for key, gradient in gradients network do
            // What is left of a small gradient after large ones have cancelled out is as exact as the large ones.
            if not (idle.Contains key) then
                $"gradient of {key}", 0.05 * largest, gradient
    ]

    let right = left exact expected

    let errors network out =
        (left network out, right) ||> List.map2 (fun (_, size, own) (_, _, right) -> error size own right)

    let slopes = direction.``to`` torch.ScalarType.Float32
    use ours = copied dtype exact
    let own = errors ours (byPass ours (x.``to`` dtype) slopes)

    let roundings = [
        for batch in x :: List.init 4 (fun _ -> neighbour generator dtype x) do
            use theirs = copied dtype exact
            errors theirs (byAutograd theirs (batch.``to`` dtype) slopes)
    ]

    [
        for (what, _, _), own, rounding in List.zip3 right own (List.reduce (List.map2 max) roundings) do
            if own > slack + 4.0 * rounding then
                $"{what}, by {own} where rounding is {rounding}"

        for key, gradient in gradients ours do
            if idle.Contains key && gradient.abs().sum().item<float32>() <> 0.0f then
                $"gradient of {key}, which has none"
    ]

let private agrees dtype slack count plan =
    match differences 3 dtype slack count plan with
    | [] -> ()
    | differences -> failtest (String.concat "\n" ("More than rounding differs:" :: differences))

/// Few vectors, many, and rows that no vector divides.
let private blocks = [
    "a chain", conv 12 >>> batchNorm >>> relu >>> conv 7 >>> batchNorm >>> conv 3
    "activations",
    conv 8
    >>> leakyRelu
    >>> conv 9
    >>> activation Activation.Tanh
    >>> conv 5
    >>> activation Activation.Gelu
    "a norm first", batchNorm >>> relu >>> conv 16
    "a norm that two read", batchNorm >>> relu >>> sum [ conv 7; identity ] >>> relu >>> conv 4
    "a residual block", conv 8 >>> Blocks.resNet Activation.Relu false 8 >>> Blocks.resNet Activation.Relu true 16
    "a residual block of another activation", conv 6 >>> Blocks.resNet Activation.Tanh false 6
    "a norm on the other side", conv 5 >>> sum [ identity; conv 5 >>> batchNorm ] >>> relu
    "norms on both sides", sum [ conv 5 >>> batchNorm; conv 5 >>> batchNorm ] >>> relu
    "a sum of three", sum [ conv 6; identity >>> conv 6 >>> batchNorm; conv 6 >>> relu ] >>> batchNorm
    "pre-activation",
    conv 8
    >>> Blocks.preActResNet Activation.Relu false 8
    >>> Blocks.preActResNet Activation.Relu true 12
    "a dense block", conv 4 >>> Blocks.denseBlock Activation.Relu 2 3 3 >>> Blocks.transition Activation.Relu 5
    "growth by other means",
    conv 8
    >>> concat [ conv 16; identity ]
    >>> concat [ relu >>> conv 8; identity ]
    >>> concat [ identity; identity ]
    >>> conv 3
    "growth that two read", conv 8 >>> sum [ concat [ batchNorm >>> relu >>> conv 4; identity ]; conv 12 ] >>> relu
    "pools", conv 5 >>> maxPoolWith (Pool2d.square 3 2 1) >>> relu >>> avgPool 2 >>> conv 3
    "pools side by side",
    concat [ maxPoolWith (Pool2d.square 3 1 1); identity; conv 4 >>> maxPoolWith (Pool2d.square 3 1 1) ]
    "channels by sixteen", conv 16 >>> batchNorm >>> relu >>> conv 32 >>> conv 16
    "sixteens in branches",
    conv 16
    >>> relu
    >>> sum [ conv 16 >>> batchNorm; identity ]
    >>> concat [ conv 16; identity; conv 48 >>> relu ]
    "channels by sixteen without an activation", conv 32 >>> conv 16 >>> batchNorm >>> sum [ identity; conv 16 ]
    "a classifier", conv 8 >>> batchNorm >>> relu >>> globalAvgPool >>> flatten >>> linear 10
    "features of a map", conv 3 >>> batchNorm >>> flatten >>> linear 7 >>> relu >>> linear 4
    "features side by side", conv 3 >>> flatten >>> concat [ linear 5; identity; linear 4 >>> relu ] >>> linear 2
    "strided pixels alone", convWith (Conv2d.square 1 9 |> Conv2d.padding 0 |> Conv2d.stride 2) >>> batchNorm >>> relu
]

let private front channels act = conv1x1 channels >>> batchNorm >>> activation act

let private bare channels = convWith (Conv2d.square 1 channels |> Conv2d.noBias) >>> batchNorm >>> relu

let private counts: InceptionChannels = {
    Reduce3x3 = 5
    Reduce5x5 = 3
    Conv1x1 = 17
    Conv3x3 = 6
    Conv5x5 = 4
    Pool = 2
}

/// Forks in which some branches begin alike.
let private forks = [
    "an Inception block", Blocks.inception Activation.Relu counts
    "another activation", Blocks.inception Activation.LeakyRelu counts
    "two of a kind among others", concat [ bare 3; conv 4; front 5 Activation.Relu; bare 6 >>> conv 2; identity ]
    "nothing behind some", concat [ front 4 Activation.Tanh >>> conv 3; front 2 Activation.Tanh ]
    "inside one another", concat [ bare 3; bare 4 >>> concat [ bare 2; bare 3 >>> batchNorm ] ]
]

let private input = Shape.Image(7, 6, 5)

let private precisions = [
    // Rounding of float32, in units of the largest number of a tensor.
    "float32", torch.ScalarType.Float32, 1e-5
    "bfloat16", torch.ScalarType.BFloat16, 4e-2
]

let private model name : Model = Catalogue.find name [] |> Result.defaultWith failtest

let tests =
    testList "gradients" [
        for precision, dtype, slack in precisions do
            for name, net in blocks do
                test $"{name}, {precision}" { agrees dtype slack 3 (planOf input net) }

            for name, net in forks do
                test $"{name}, {precision}" { agrees dtype slack 3 (planOf input net) }

        for name in [ "GoogleNet"; "ResNet"; "ResNetPreAct"; "DenseNet" ] do
            // What a ReLU reads is often zero but for rounding somewhere in a network of this size, and then a gradient
            // passes here that does not pass there. A mistake would show whatever the weights.
            test $"{name}, float32" {
                let plan = planOf (Shape.Image(3, 32, 32)) (model name).Net
                let seeds = Seq.init 10 (fun seed -> differences seed torch.ScalarType.Float32 1e-4 4 plan)
                Expect.exists seeds List.isEmpty "weights with which nothing differs"
            }

        for name, overrides, image in Zoo.members do
            test $"{name} in a small form, float32" {
                let model = Catalogue.find name overrides |> Result.defaultWith failtest

                let seeds =
                    Seq.init 10 (fun seed -> differences seed torch.ScalarType.Float32 1e-4 4 (planOf image model.Net))

                Expect.exists seeds List.isEmpty "weights with which nothing differs"
            }

        propertyOf 60 "of random networks" (TorchModuleLawTests.seeded) (fun (it, _) ->
            let plan = planOf it.Input (TorchModuleLawTests.smooth it.Net)

            if Plan.stateTensors plan <> [] then
                agrees torch.ScalarType.Float32 1e-4 4 plan)

        test "two passes add up" {
            use _ = torch.NewDisposeScope()
            use generator = generator 3
            use exact = build Layout.Contiguous 5 (planOf input (conv 4 >>> batchNorm >>> relu >>> conv 2))
            use network = copied torch.ScalarType.Float32 exact
            let x = (batchFor generator 3 input).``to`` torch.ScalarType.Float32
            let direction = (batchFor generator 3 network.Plan.Out).``to`` torch.ScalarType.Float32
            byPass network x direction |> ignore
            let once = network.Weights.Grad.clone ()
            byPass network x direction |> ignore
            close 1e-6 "gradient" network.Weights.Grad (once * 2.0.ToScalar())
        }

        test "the batch is left as it was, and nothing is left behind" {
            use generator = generator 3
            use exact = build Layout.Contiguous 5 (planOf input (forks |> List.head |> snd))
            use network = copied torch.ScalarType.Float32 exact
            use x = (use wide = batchFor generator 3 input in wide.``to`` torch.ScalarType.Float32)
            use before = x.clone ()

            let left () =
                use scope = torch.NewDisposeScope()
                let pass = network.pass x
                pass.Output.sum().backward()
                pass.Backward()
                scope.DisposablesCount

            // The output, its sum and their gradient.
            Expect.isLessThan (left ()) 6 "tensors after a pass"
            Expect.equal (numbers x) (numbers before) "images"
        }

        // Eight channels at a time, four, and one; the same numbers in, and sums in float32 of the same.
        for channels in [ 8; 12; 7 ] do
            test $"norms of {channels} channels in bfloat16 are those in float32, rounded as libtorch rounds" {
                use _ = torch.NewDisposeScope()
                use generator = generator 3
                let input = Shape.Image(channels, 6, 5)
                use exact = build Layout.Contiguous 5 (planOf input (batchNorm >>> relu))
                use wide = copied torch.ScalarType.Float32 exact
                use narrow = copied torch.ScalarType.BFloat16 exact
                let x = (batchFor generator 3 input).``to`` torch.ScalarType.BFloat16
                let expected = (wide.pass (x.``to`` torch.ScalarType.Float32)).Output.``to`` torch.ScalarType.BFloat16
                Expect.equal (numbers (narrow.pass x).Output) (numbers expected) "numbers"
            }

        for channels in [ 8; 4; 1 ] do
            test $"of several largest numbers the first has the gradient, {channels} channels" {
                use _ = torch.NewDisposeScope()
                let plan = planOf (Shape.Image(2, 2, 2)) (conv1x1 channels >>> maxPool 2)
                use network = new TorchModule(new Weights(plan, Placement.cpu))

                for spec, weight in network.Weights.Parameters do
                    use _ = torch.no_grad ()
                    weight.fill_ ((if spec.Role = Role.Weight then 1.0 else 0.0).ToScalar()) |> ignore

                network.train true
                // Every pixel's two numbers come to 3, and only the gradient of the weight tells the pixels apart.
                let x = torch.tensor([| 1.0f; 2.0f; 0.5f; 3.0f; 2.0f; 1.0f; 2.5f; 0.0f |]).view(1L, 2L, 2L, 2L)
                byPass network x (torch.ones 1L) |> ignore
                let weight = network.Weights.Parameters |> Array.find (fun (spec, _) -> spec.Role = Role.Weight) |> fst
                let expected = Array.concat (Array.replicate channels [| 1.0; 2.0 |])
                Expect.equal (numbers (network.Weights.Gradient weight.Key)) expected "the first pixel"
            }

        test "a pass goes backward after its loss" {
            use generator = generator 3
            use exact = build Layout.Contiguous 5 (planOf input (conv 2))
            use network = copied torch.ScalarType.Float32 exact
            let pass = network.pass ((batchFor generator 3 input).``to`` torch.ScalarType.Float32)
            Expect.throwsT<System.InvalidOperationException> pass.Backward "no gradient yet"
        }

        test "outside training, in float64 and in the ordinary layout it is autograd's" {
            use _ = torch.NewDisposeScope()
            use generator = generator 3
            use network = build Layout.ChannelsLast 5 (planOf input (conv 2 >>> batchNorm))
            network.train true
            let x = batchFor generator 3 input
            let pass = network.pass x
            pass.Output.sum().backward()
            pass.Backward()
            let gradient = network.Weights.Grad.clone ()
            network.Weights.Grad.zero_ () |> ignore
            (network.forward x).sum().backward()
            Expect.equal (numbers gradient) (numbers network.Weights.Grad) "gradients"
        }
    ]
