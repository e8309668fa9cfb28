module Hybrid.Tests.Readers.TorchModuleTests

open System
open Expecto
open FsCheck.FSharp
open TorchSharp
open Hybrid
open Hybrid.Combinators
open Hybrid.Tests.Networks.Nets
open Hybrid.Tests.Readers.Reference

let private placed layout = { Placement.cpu with DType = torch.ScalarType.Float64; Layout = layout }

/// A network in float64 with nothing left at its starting value, neither norms nor running statistics.
let private build layout seed (plan: Plan) =
    use generator = generator seed

    let network =
        TorchModule.create (placed layout) (Initialisation.KaimingNormal(Fan.In, Activation.Relu)) generator plan

    use _ = torch.NewDisposeScope()
    use _ = torch.no_grad ()

    for spec in network.Weights.Specs do
        let tensor = network.Weights[spec.Key]
        let noise () = random generator (List.ofArray tensor.shape) * 0.1.ToScalar()

        match spec.Role with
        | Role.Weight when tensor.dim () > 1L -> ()
        | Role.Weight
        | Role.Bias
        | Role.RunningMean -> tensor.add_ (noise ()) |> ignore
        | Role.RunningVar -> tensor.add_ (noise().abs()) |> ignore
        | Role.NumBatchesTracked -> ()

    network

let private batchFor generator count shape = random generator (int64 count :: List.map int64 (Shape.dims shape))

let private seeded = Arb.zip (working, Arb.fromGen (Gen.choose (0, 1_000_000)))

/// Networks without kinks, which central differences cannot see past.
let rec private smooth net =
    match net with
    | Net.Layer(Layer.Activation Activation.Relu) -> gelu
    | Net.Layer(Layer.Activation Activation.LeakyRelu) -> activation Activation.Tanh
    | Net.Layer(Layer.MaxPool2d pool) -> avgPoolWith pool
    | Net.Layer _ -> net
    | Net.Chain nets -> Net.Chain(List.map smooth nets)
    | Net.Fork(join, nets) -> Net.Fork(join, List.map smooth nets)
    | Net.Named(segment, inner) -> Net.Named(segment, smooth inner)

/// What the module makes of the same.
let private ofModule (network: TorchModule) training (x: Tensor) (direction: Tensor) =
    network.train training
    network.Weights.Grad.zero_ () |> ignore
    let x = x.detach().clone().requires_grad_ true
    let out = network.forward x
    (out * direction).sum().backward()
    out, ("the input", x.grad) :: [ for spec, leaf in network.Weights.Parameters -> spec.Key, leaf.grad ]

/// Equal but for rounding. What is lost where large gradients cancel out is no more than rounding of the large ones.
let private agree
    tolerance
    (out: Tensor, grads: (string * Tensor) list)
    (out': Tensor, grads': (string * Tensor) list)
    =
    close tolerance "output" out out'
    let size = grads' |> List.sumBy (fun (_, grad) -> grad.norm().item<float>())

    for (what, grad), (_, grad') in List.zip grads grads' do
        close (tolerance * (1.0 + size)) $"gradient of {what}" grad grad'

let private properties =
    testList "properties" [
        propertyOf 60 "what comes out has the shape that the plan says" seeded (fun (it, seed) ->
            use _ = torch.NewDisposeScope()
            use generator = generator seed
            use network = build Layout.ChannelsLast seed (planOf it.Input it.Net)
            let x = batchFor generator 2 it.Input

            for training in [ false; true ] do
                network.train training
                let shape = (network.forward x).shape |> Array.map int |> List.ofArray
                Expect.equal shape (2 :: Shape.dims network.Plan.Out) "shape")

        // To the last bit nearly always. An addition in place keeps the strides of its left side, and strides decide
        // in which order the next operation adds up: hence the tolerance.
        propertyOf
            60
            "values and gradients are those of the network as written, in either layout"
            seeded
            (fun (it, seed) ->
                use _ = torch.NewDisposeScope()
                use generator = generator seed
                let plan = planOf it.Input it.Net
                let x = batchFor generator 3 it.Input
                let direction = batchFor generator 3 plan.Out

                for layout in [ Layout.Contiguous; Layout.ChannelsLast ] do
                    use network = build layout seed plan

                    for training in [ true; false ] do
                        let out, grads = ofModule network training (Layout.apply layout x) direction
                        let out', grads' = passes byOperations network training (Layout.apply layout x) direction
                        agree 1e-13 (out, grads) (out', grads'))

        // Without kinks and ties, where the last bit may decide which way a gradient goes.
        propertyOf
            40
            "values and gradients follow from the layers' definitions, in either layout"
            seeded
            (fun (it, seed) ->
                use _ = torch.NewDisposeScope()
                use generator = generator seed
                let plan = planOf it.Input (smooth it.Net)
                let x = batchFor generator 3 it.Input
                let direction = batchFor generator 3 plan.Out

                for layout in [ Layout.Contiguous; Layout.ChannelsLast ] do
                    use network = build layout seed plan

                    for training in [ true; false ] do
                        let out, grads = ofModule network training x direction
                        let defined = passes byDefinition network training x direction
                        agree 1e-11 (out, grads) defined)

        propertyOf 40 "the gradient is what central differences show" seeded (fun (it, seed) ->
            use _ = torch.NewDisposeScope()
            use generator = generator seed
            let plan = planOf it.Input (smooth it.Net)
            use network = build Layout.ChannelsLast seed plan
            let x = batchFor generator 4 it.Input
            let direction = batchFor generator 4 plan.Out
            let along = random generator [ network.Weights.Flat.numel () ]
            let alongX = random generator (List.ofArray x.shape)
            let _, grads = ofModule network true x direction
            let gradX = snd grads.Head

            let slope = (network.Weights.Grad * along).sum().item<float>() + (gradX * alongX).sum().item<float>()

            let start = network.Weights.Flat.clone ()

            let at (step: float) =
                use _ = torch.no_grad ()
                network.Weights.Flat.copy_(start).add_(along, step.ToScalar()) |> ignore
                (network.forward (x.add (alongX, step.ToScalar())) * direction).sum().item<float>()

            // Two step lengths take the next term of the error away.
            let central step = (at step - at -step) / (2.0 * step)
            let step = 1e-4
            let estimate = (4.0 * central (step / 2.0) - central step) / 3.0
            let size = network.Weights.Grad.norm().item<float>() + gradX.norm().item<float>()
            Expect.isLessThan (abs (estimate - slope)) (1e-6 * (1.0 + size)) $"{estimate} for {slope}")

        // No gradients here: on maps of one column libtorch's own weight gradient in bfloat16 is wrong (see below).
        propertyOf 30 "half precision computes all the same" working (fun it ->
            use _ = torch.NewDisposeScope()
            use generator = generator 1
            let plan = planOf it.Input it.Net
            let placement = { Placement.cpu with DType = torch.ScalarType.BFloat16 }

            use network =
                TorchModule.create placement (Initialisation.KaimingNormal(Fan.In, Activation.Relu)) generator plan

            let x = (batchFor generator 3 it.Input).``to`` torch.ScalarType.BFloat16

            for training in [ true; false ] do
                network.train training
                let out = network.forward x
                Expect.equal (out.shape |> Array.map int |> List.ofArray) (3 :: Shape.dims plan.Out) "shape"
                Expect.isTrue (out.isfinite().all().item<bool>()) "numbers")

        propertyOf 40 "the input stays as it was, and alive" seeded (fun (it, seed) ->
            use _ = torch.NewDisposeScope()
            use generator = generator seed
            use network = build Layout.ChannelsLast seed (planOf it.Input it.Net)
            let x = batchFor generator 2 it.Input
            let before = numbers x

            for training in [ false; true ] do
                network.train training
                let _ = network.forward x
                use _ = torch.no_grad ()
                let _ = network.forward x
                Expect.isFalse x.IsInvalid "alive"
                Expect.equal (numbers x) before "unchanged")

        propertyOf 40 "keys, counts and the summary are the module's own" seeded (fun (it, seed) ->
            use _ = torch.NewDisposeScope()
            let plan = planOf it.Input it.Net
            use network = build Layout.ChannelsLast seed plan
            let specs = Plan.stateTensors plan
            let state = network.state_dict ()
            Expect.equal (Seq.sort state.Keys |> List.ofSeq) (specs |> List.map _.Key |> List.sort) "keys"

            for spec in specs do
                Expect.equal (state[spec.Key].shape |> Array.map int |> List.ofArray) spec.Dims spec.Key

            let parameters = [ for struct (key, tensor) in network.named_parameters () -> key, tensor.numel () ]
            Expect.equal (List.sumBy snd parameters) (Plan.parameterCount plan) "parameters"
            let summary = Summary.ofPlan plan
            Expect.equal summary.Params (Plan.parameterCount plan) "the summary's total"

            for row in summary.Rows do
                let own (key: string) =
                    match key.LastIndexOf '.' with
                    | -1 -> row.Path = ""
                    | dot -> key[.. dot - 1] = row.Path

                let count = parameters |> List.filter (fst >> own) |> List.sumBy snd
                // A sole layer without tensors may stand where the tensors below its path are another's.
                if row.Params > 0L then
                    Expect.equal row.Params count $"{row.Path} ({row.Type})")

        propertyOf 40 "in evaluation an image's output is its own" seeded (fun (it, seed) ->
            use _ = torch.NewDisposeScope()
            use generator = generator seed
            use network = build Layout.ChannelsLast seed (planOf it.Input it.Net)
            network.eval ()
            let state = network.Weights.Specs |> Array.map (fun spec -> spec.Key, numbers network.Weights[spec.Key])
            let x = batchFor generator 3 it.Input
            let together = network.forward x

            for index in 0L .. 2L do
                let alone = network.forward (x.narrow (0L, index, 1L))
                close 1e-12 $"image {index}" (together.narrow (0L, index, 1L)) alone

            for key, before in state do
                Expect.equal (numbers network.Weights[key]) before $"{key} is left alone")
    ]

let private layers =
    testList "layers" [
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

let tests = testList "torch module" [ properties; layers ]
