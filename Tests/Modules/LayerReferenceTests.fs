/// Single layers against PyTorch itself, where the machine has it (`layer_reference.py`).
module Hybrid.Tests.Modules.LayerReferenceTests

open System.Text.Json.Nodes
open Expecto
open TorchSharp
open Hybrid
open Hybrid.Combinators
open Hybrid.Tests
open Hybrid.Tests.Networks.Nets
open Hybrid.Tests.Modules.Reference

let private layers = [
    "four sides", convWith (Conv2d.square 3 5 |> Conv2d.stride 2 |> Conv2d.margins 0 2 3 1)
    "same", convWith (Conv2d.depthwise 3 4 |> Conv2d.noBias |> Conv2d.stride 2 |> Conv2d.same)
    "PixelLinear", pixelLinear 6
    "BatchNorm2d with settings", batchNormWith 1e-3 0.01
    "groups", convWith (Conv2d.square 3 6 |> Conv2d.groups 2)
    "each channel for itself", convWith (Conv2d.depthwise 5 4 |> Conv2d.noBias)
    "sides and dilation",
    convWith {
        Conv2d.rectangle 3 2 5 with
            Stride = { Height = 2; Width = 1 }
            Padding = Padding.Even { Height = 2; Width = 1 }
            Dilation = { Height = 2; Width = 1 }
    }
    "GroupNorm", groupNorm 2
    "LayerNorm2d", layerNorm
    "LayerScale", layerScale 1e-6
    "Dropout", dropout 0.3
    "StochasticDepth", stochasticDepth 0.4
    "SiLU", silu
    "Sigmoid", sigmoid
    "Hardswish", activation Activation.Hardswish
    "Hardsigmoid", activation Activation.Hardsigmoid
    "ReLU6", activation Activation.Relu6
    "MaxPool2d with ceiling", maxPoolWith (Pool2d.square 3 2 1 |> Pool2d.ceiling)
    "AvgPool2d with ceiling", avgPoolWith (Pool2d.square 3 2 0 |> Pool2d.ceiling)
    "squeeze and excitation", Blocks.squeezeExcitation Activation.Relu Activation.Sigmoid 2 4
]

let private answers =
    lazy (PyTorch.run [ "Tests"; "Modules"; "layer_reference.py" ] "" |> Option.map JsonNode.Parse)

let private floats (node: JsonNode | null) = [| for number in (nonNull node).AsArray() -> number.GetValue<float>() |]

let private agrees what (actual: Tensor) (expected: JsonNode | null) =
    Expect.isLessThanOrEqual (difference (numbers actual) (floats expected)) 1e-9 what

/// Output and gradients in training.
let private check name net (expected: JsonNode) layout =
    use _ = torch.NewDisposeScope()
    use drawn = generator 5
    let plan = planOf (Shape.Image(4, 9, 8)) net
    let placement = { Placement.cpu with DType = torch.ScalarType.Float64; Layout = layout }
    use network = TorchModule.create placement Initialisation.PyTorch drawn plan
    let keys = [ for key in expected["keys"].AsArray() -> key.GetValue<string>() ]
    Expect.equal (network.Weights.Specs |> Array.map _.Key |> List.ofArray) keys "keys"

    for spec, weight in network.Weights.Parameters do
        Expect.equal (numbers weight) (floats (expected["weights"].[spec.Key])) $"first {spec.Key}"

    use inputs = generator 7
    let x = (random inputs [ 3L; 4L; 9L; 8L ] * 3.0.ToScalar()).detach().requires_grad_ true
    network.train true
    use noise = generator 11
    let pass = network.pass (x, noise)
    let shape = [ for side in expected["shape"].AsArray() -> side.GetValue<int64>() ]
    Expect.equal (List.ofArray pass.Output.shape) shape "shape"
    agrees $"output of {name}" pass.Output (expected["out"])
    let direction = random inputs shape
    (pass.Output * direction).sum().backward()
    pass.Backward()
    agrees "gradient of the input" x.grad (expected["dx"])

    for spec, _ in network.Weights.Parameters do
        agrees $"gradient of {spec.Key}" (network.Weights.Gradient spec.Key) (expected["gradients"].[spec.Key])

let tests =
    testList "layers as PyTorch has them" [
        for name, net in layers do
            for layout in [ Layout.Contiguous; Layout.ChannelsLast ] do
                test $"{name}, {layout}" {
                    match answers.Value with
                    | None -> skiptest "no python3 with torch on the path"
                    | Some answers -> check name net (answers[name]) layout
                }
    ]
