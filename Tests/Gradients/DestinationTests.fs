/// Parts of the way back, each alone, put their gradients where they are told. Memory is written before it is read: here
/// it is full of NaN until then.
module Hybrid.Tests.Gradients.DestinationTests

open Expecto
open TorchSharp
open Hybrid
open Hybrid.Combinators
open Hybrid.Tests.Networks.Nets
open Hybrid.Tests.Modules.Reference
open Hybrid.Tests.Modules.Built

/// For new memory of a pass.
let poison (fresh: Tensor) = fresh.fill_ (nan.ToScalar()) |> ignore

/// Channels by sixteen, and sides that no tile divides.
let input = Shape.Image(16, 6, 5)

/// A network with nothing left at its starting value, in training.
let built dtype plan =
    use exact = build Layout.Contiguous 5 plan
    use _ = torch.no_grad ()
    let network = new TorchModule(new Weights(plan, { Placement.cpu with DType = dtype }))

    for spec in plan |> Plan.stateTensors do
        network.Weights[spec.Key].copy_ exact.Weights[spec.Key] |> ignore

    network.train true
    network

let imagesOf dtype (shape: Shape) =
    use generator = generator 3
    use wide = batchFor generator 4 shape
    wide.``to``(dtype: torch.ScalarType).contiguous()

/// Parts of one input and output size, with the gradient that each of them finds in each destination.
let private parts (weights: Weights) =
    let layer: LayerPlan = Plan.layers weights.Plan |> List.exactlyOne |> snd
    let out = Shape.dims weights.Plan.Out |> List.map int64

    match layer.Layer with
    | Layer.Conv2d conv -> ConvGradient.convolution weights conv [ layer ] false
    | Layer.BatchNorm2d _ -> NormGradient.normalise weights layer true
    | Layer.MaxPool2d pool -> LayerGradient.maxPool pool out
    | Layer.AvgPool2d pool -> LayerGradient.averagePool pool
    | Layer.AdaptiveAvgPool2d -> LayerGradient.globalAveragePool
    | Layer.Activation kind when Backward.knows kind -> LayerGradient.activation kind
    | _ -> LayerGradient.byAutograd weights layer

/// The gradient of the input in a destination that is made of the gradients of others.
let private gradientIn (plan: Plan) (destination: Tape -> Held -> Tensor -> Destination) =
    use _ = torch.NewDisposeScope()
    use network = built torch.ScalarType.Float32 plan
    use _ = torch.no_grad ()
    use tape = new Tape(poison)
    let images (shape: Shape) = imagesOf torch.ScalarType.Float32 shape |> Layout.apply Layout.ChannelsLast
    let x = tape.Hold(images plan.In)
    let seen = x.Share()
    let pass = { Tape = tape; Draws = null }
    let struct (y, back) = (parts network.Weights).Run.Invoke(pass, x, ValueNone)
    y.Release()
    let others = images plan.In
    let dx = back.Invoke(tape.Lend(images plan.Out), destination tape seen others)
    let found = dx |> ValueOption.map (fun dx -> numbers dx.Tensor)
    dx |> ValueOption.iter _.Release()
    found, numbers others, numbers network.Weights.Grad, tape.Count

let private singles = [
    "a convolution by tiles", conv 16
    "a convolution by libtorch", conv 5
    "a product of matrices", conv1x1 3
    "a strided pixel", convWith (Conv2d.square 1 5 |> Conv2d.padding 0 |> Conv2d.stride 2)
    "a norm", batchNorm
    "a largest number", maxPoolWith (Pool2d.square 3 1 1)
    "an average", avgPool 2
    "the average of a map", globalAvgPool
    "an activation", relu
    "an activation that keeps its input", gelu
    "a layer by autograd", groupNorm 4
]

let tests =
    testList "destinations of gradients" [
        for name, net in singles do
            test $"the gradient of {name} in every destination" {
                let plan = planOf input net

                let fresh, others, own, left =
                    gradientIn plan (fun _ seen _ ->
                        seen.Release()
                        Destination.Fresh)

                let fresh = fresh.Value
                Expect.equal left 0 "tensors left"

                let same what expected destination =
                    let found, _, own', left = gradientIn plan destination
                    Expect.equal found.Value expected what
                    Expect.equal own' own $"{what}: gradients of the parameters"
                    Expect.equal left 0 $"{what}: tensors left"

                same "fresh, the input read by another" fresh (fun tape seen _ ->
                    // Its owner goes on reading.
                    tape.HandOver seen |> ignore
                    Destination.Fresh)

                same "into NaN" fresh (fun tape seen others ->
                    seen.Release()
                    Destination.Into(tape.Empty(others.shape, others.dtype)))

                same "over the input" fresh (fun _ seen _ -> Destination.Into seen)

                same "into a slice" fresh (fun tape seen others ->
                    seen.Release()
                    let size = Array.copy others.shape
                    size[1] <- size[1] + 3L
                    let wide = tape.Empty(size, others.dtype)
                    let part = wide.View(wide.Tensor.narrow (1L, 2L, others.shape[1]))
                    wide.Release()
                    Destination.Into part)

                let sum = Array.map2 (fun (a: float) b -> float (float32 a + float32 b)) fresh others

                same "added to a sum" sum (fun tape seen others ->
                    seen.Release()
                    Destination.AddedTo(tape.Hold(others.clone ())))

                same "added to a sum that another reads" sum (fun tape seen others ->
                    seen.Release()
                    Destination.AddedTo(tape.Lend(others.alias ())))

                let _, untouched, _, _ =
                    gradientIn plan (fun tape seen others ->
                        seen.Release()
                        Destination.AddedTo(tape.Lend(others.alias ())))

                Expect.equal untouched others "what another reads"

                let nothing, _, own', left =
                    gradientIn plan (fun _ seen _ ->
                        seen.Release()
                        Destination.Nowhere)

                Expect.isTrue nothing.IsNone "nobody asked"
                Expect.equal own' own "gradients of the parameters"
                Expect.equal left 0 "tensors left"
            }
    ]
