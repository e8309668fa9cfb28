module Hybrid.Tests.Modules.TorchModuleLawTests

open Expecto
open FsCheck.FSharp
open TorchSharp
open Hybrid
open Hybrid.Combinators
open Hybrid.Tests.Networks.Nets
open Hybrid.Tests.Modules.Reference
open Hybrid.Tests.Modules.Built

let seeded = Arb.zip (working, Arb.fromGen (Gen.choose (0, 1_000_000)))

/// Networks without kinks, which central differences cannot see past.
let rec smooth net =
    match net with
    | Net.Layer(Layer.Activation Activation.Relu) -> gelu
    | Net.Layer(Layer.Activation Activation.LeakyRelu) -> activation Activation.Tanh
    | Net.Layer(Layer.Activation(Activation.Hardswish | Activation.Relu6)) -> silu
    | Net.Layer(Layer.Activation Activation.Hardsigmoid) -> sigmoid
    | Net.Layer(Layer.MaxPool2d pool) -> avgPoolWith pool
    | Net.Layer _ -> net
    | Net.Chain nets -> Net.Chain(List.map smooth nets)
    | Net.Fork(join, nets) -> Net.Fork(join, List.map smooth nets)
    | Net.Named(segment, inner) -> Net.Named(segment, smooth inner)
    | Net.Ordered(segments, inner) -> Net.Ordered(segments, smooth inner)

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

let tests =
    testList "laws of modules" [
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
                        agree 1e-11 (out, grads) (out', grads'))

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
                        agree 1e-10 (out, grads) defined)

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

            let central step = (at step - at -step) / (2.0 * step)

            // Two step lengths take the next term of the error away.
            let estimate step = (4.0 * central (step / 2.0) - central step) / 3.0

            // Where the function bends strongly a step has to be short, elsewhere long for the digits that it leaves.
            let estimates = [ 1e-3; 1e-4; 1e-5; 1e-6 ] |> List.map estimate
            let size = network.Weights.Grad.norm().item<float>() + gradX.norm().item<float>()
            let error = estimates |> List.map (fun it -> abs (it - slope)) |> List.min
            Expect.isLessThan error (1e-6 * (1.0 + size)) $"%A{estimates} for {slope}")

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
