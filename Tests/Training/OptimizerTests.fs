module Hybrid.Tests.Training.OptimizerTests

open System
open Expecto
open TorchSharp
open Hybrid
open Hybrid.Combinators
open Hybrid.Tests.Networks.Nets
open Hybrid.Tests.Modules.Reference

/// One number and what an optimiser remembers of it; how a gradient changes them in step `t`, counted from 1. Written
/// from the algorithms in the documentation of torch.optim.
type private Rule = int -> float -> float -> float -> float array -> float * float array

let private sgd (p: Sgd) : Rule =
    fun t rate w g memory ->
        let g = g + p.WeightDecay * w

        if p.Momentum = 0.0 then
            w - rate * g, memory
        else
            let b = if t = 1 then g else p.Momentum * memory[0] + (1.0 - p.Dampening) * g
            w - rate * (if p.Nesterov then g + p.Momentum * b else b), [| b |]

let private adam (p: Adam) : Rule =
    fun t rate w g memory ->
        let w, g =
            if p.Decoupled then
                w - rate * p.WeightDecay * w, g
            else
                w, g + p.WeightDecay * w

        let m = p.Beta1 * memory[0] + (1.0 - p.Beta1) * g
        let v = p.Beta2 * memory[1] + (1.0 - p.Beta2) * g * g
        let unbiased x beta = x / (1.0 - Math.Pow(beta, float t))
        w - rate * unbiased m p.Beta1 / (sqrt (unbiased v p.Beta2) + p.Epsilon), [| m; v |]

let private rmsProp (p: RmsProp) : Rule =
    fun _ rate w g memory ->
        let g = g + p.WeightDecay * w
        let v = p.Alpha * memory[0] + (1.0 - p.Alpha) * g * g
        let step = g / (sqrt v + p.Epsilon)

        if p.Momentum = 0.0 then
            w - rate * step, [| v; 0.0 |]
        else
            let b = p.Momentum * memory[1] + step
            w - rate * b, [| v; b |]

let private sgdWith momentum dampening nesterov decay = {
    Momentum = momentum
    Dampening = dampening
    Nesterov = nesterov
    WeightDecay = decay
}

let private adamWith epsilon decay decoupled : Adam = {
    Beta1 = 0.8
    Beta2 = 0.95
    Epsilon = epsilon
    WeightDecay = decay
    Decoupled = decoupled
}

let private rmsWith momentum decay : RmsProp = { Alpha = 0.9; Epsilon = 1e-3; Momentum = momentum; WeightDecay = decay }

let private cases = [
    for p in
        [
            sgdWith 0.0 0.0 false 0.0
            sgdWith 0.0 0.0 false 0.01
            sgdWith 0.9 0.0 false 0.01
            sgdWith 0.9 0.3 false 0.01
            sgdWith 0.9 0.0 true 0.01
        ] do
        Optimizer.Sgd p, sgd p, 1

    for p in [ adamWith 1e-8 0.0 false; adamWith 1e-2 0.1 false; adamWith 1e-8 0.1 true ] do
        Optimizer.Adam p, adam p, 2

    for p in [ rmsWith 0.0 0.0; rmsWith 0.0 0.1; rmsWith 0.7 0.1 ] do
        Optimizer.RmsProp p, rmsProp p, 2
]

/// Three tensors, one of them a convolution's, whose strides depend on the layout.
let private weights layout =
    let plan = planOf (Shape.Image(2, 4, 4)) (name "a" (conv 3) >>> flatten >>> name "b" (linear 2))
    new Weights(plan, { Placement.cpu with DType = torch.ScalarType.Float64; Layout = layout })

let private told (optimizer: Optimizer) =
    String.Join(' ', (string optimizer).Split([| ' '; '\n'; '\r' |], StringSplitOptions.RemoveEmptyEntries))

let tests =
    testList "optimizer" [
        for optimizer, rule, memory in cases do
            testCase (told optimizer)
            <| fun () ->
                for layout in [ Layout.Contiguous; Layout.ChannelsLast ] do
                    use _ = torch.NewDisposeScope()
                    use generator = generator 3
                    use weights = weights layout
                    let size = weights.Flat.numel ()
                    weights.Flat.copy_ (random generator [ size ]) |> ignore
                    let mutable expected = numbers weights.Flat |> Array.map (fun w -> w, Array.zeroCreate memory)
                    let mutable state = Optimizer.start optimizer weights

                    for t in 1..6 do
                        let rate = 0.1 / float t
                        weights.Grad.copy_ (random generator [ size ]) |> ignore
                        let gradients = numbers weights.Grad
                        state <- Optimizer.step optimizer [ rate, TrainableParameters.all weights ] weights state
                        expected <- (expected, gradients) ||> Array.map2 (fun (w, memory) g -> rule t rate w g memory)
                        let off = difference (numbers weights.Flat) (Array.map fst expected)
                        Expect.isLessThan off 1e-12 $"after step {t}"
                        Expect.equal (numbers weights.Grad) gradients "the gradient is left alone"

                    Expect.equal state.Steps 6L "steps"
                    (state :> IDisposable).Dispose()

        testCase "moments are seen parameter by parameter, in every layout"
        <| fun () ->
            use _ = torch.NewDisposeScope()

            for layout in [ Layout.Contiguous; Layout.ChannelsLast ] do
                use weights = weights layout
                weights.Flat.copy_ (torch.arange (weights.Flat.numel ())) |> ignore
                use copy = weights.Flat.clone ()

                for key, view in weights.ViewsOf copy do
                    Expect.equal (numbers view) (numbers weights[key]) key

        testCase "names"
        <| fun () ->
            let names = Recipe.optimizers |> List.map (fun (_, (optimizer, _)) -> Optimizer.name optimizer)
            Expect.equal names [ "SGD"; "AdamW"; "Adam"; "RMSprop" ] "names"
    ]
