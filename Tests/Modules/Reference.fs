/// Networks evaluated in the plainest way: nothing is written over, nothing is released early.
module Hybrid.Tests.Modules.Reference

open System
open System.Collections.Generic
open Expecto
open TorchSharp
open Hybrid

type private F = torch.nn.functional

/// Independent of every other draw.
let generator (seed: int) = new torch.Generator(uint64 seed, torch.CPU)

let float64 = Nullable torch.ScalarType.Float64

let random (generator: torch.Generator) (size: int64 list) =
    torch.randn (Array.ofList size, dtype = float64, generator = generator)

/// Numbers of a tensor in the order of its indices, whatever its strides.
let numbers (x: Tensor) =
    use _ = torch.NewDisposeScope()
    x.detach().``to``(torch.ScalarType.Float64).contiguous().data<float>().ToArray()

/// Largest difference, in units of the larger of 1 and the largest expected number.
let difference (actual: float array) (expected: float array) =
    Expect.equal actual.Length expected.Length "as many numbers"
    let scale = expected |> Array.fold (fun scale x -> max scale (abs x)) 1.0

    (actual, expected)
    ||> Array.map2 (fun a e -> if a = e then 0.0 else abs (a - e) / scale)
    |> Array.fold (fun worst it -> if Double.IsNaN it then it else max worst it) 0.0

let close tolerance (what: string) (actual: Tensor) (expected: Tensor) =
    Expect.equal (List.ofArray actual.shape) (List.ofArray expected.shape) what
    Expect.isLessThanOrEqual (difference (numbers actual) (numbers expected)) tolerance what

/// What a layer makes of its tensors and its input.
type Evaluation = Layer -> Tensor list -> bool -> Tensor -> Tensor

let private pair (side: int) = [| int64 side; int64 side |]

let private sides (sides: Sides) = [| int64 sides.Height; int64 sides.Width |]

/// The map with what is uneven of a convolution's padding, row by row and column by column, and what is left of it.
let private widened (conv: Conv2d) (x: Tensor) =
    match conv.Padding with
    | Padding.Even sides -> x, sides
    | Padding.Same -> failtest "a plan has the numbers"
    | Padding.Uneven it ->
        let zeros (dim: int) (count: int) =
            let size = Array.copy x.shape
            size[dim] <- int64 count
            torch.zeros (size, dtype = Nullable x.dtype)

        let rows = torch.cat ([| zeros 2 it.Top; x; zeros 2 it.Bottom |], 2L)

        let columns (count: int) =
            torch.zeros ([| rows.shape[0]; rows.shape[1]; rows.shape[2]; int64 count |], dtype = Nullable x.dtype)

        torch.cat ([| columns it.Left; rows; columns it.Right |], 3L), Sides.square 0

/// With libtorch's operations: the same numbers, bit for bit, as long as nothing is written over too early.
let byOperations: Evaluation =
    fun layer tensors training x ->
        match layer, tensors with
        | Layer.Conv2d conv, weight :: bias ->
            let bias = List.tryHead bias |> Option.toObj
            let x, even = widened conv x
            F.conv2d (x, weight, bias, sides conv.Stride, sides even, sides conv.Dilation, int64 conv.Groups)
        | Layer.BatchNorm2d it, [ weight; bias; mean; var; _ ] ->
            F.batch_norm (x, mean.clone (), var.clone (), weight, bias, training, it.Momentum, it.Epsilon)
        | Layer.Activation Activation.Relu, _ -> x.relu ()
        | Layer.Activation Activation.LeakyRelu, _ -> F.leaky_relu (x, 0.01)
        | Layer.Activation Activation.Tanh, _ -> x.tanh ()
        | Layer.Activation Activation.Gelu, _ -> F.gelu x
        | Layer.Activation Activation.Silu, _ -> F.silu x
        | Layer.Activation Activation.Sigmoid, _ -> x.sigmoid ()
        | Layer.Activation Activation.Hardswish, _ -> F.hardswish x
        | Layer.Activation Activation.Hardsigmoid, _ -> F.hardsigmoid x
        | Layer.Activation Activation.Relu6, _ -> F.relu6 x
        | Layer.GroupNorm(groups, epsilon), [ weight; bias ] -> F.group_norm (x, int64 groups, weight, bias, epsilon)
        | Layer.LayerNorm2d epsilon, [ weight; bias ] ->
            F.layer_norm(x.permute (0L, 2L, 3L, 1L), [| x.shape[1] |], weight, bias, epsilon).permute(0L, 3L, 1L, 2L)
        | Layer.LayerScale _, [ scale ] -> x * scale
        | (Layer.Dropout 0.0 | Layer.StochasticDepth 0.0), _ -> x
        | Layer.MaxPool2d pool, _ ->
            F.max_pool2d (x, pair pool.Kernel, pair pool.Stride, pair pool.Padding, pair 1, pool.Ceiling)
        | Layer.AvgPool2d pool, _ ->
            F.avg_pool2d (x, pair pool.Kernel, pair pool.Stride, pair pool.Padding, pool.Ceiling)
        | Layer.AdaptiveAvgPool2d, _ -> F.adaptive_avg_pool2d (x, pair 1)
        | Layer.Flatten, _ -> x.flatten (1L, -1L)
        | Layer.PixelLinear _, weight :: bias ->
            F.linear(x.permute (0L, 2L, 3L, 1L), weight, List.tryHead bias |> Option.toObj).permute(0L, 3L, 1L, 2L)
        | Layer.Linear _, weight :: bias -> F.linear (x, weight, List.tryHead bias |> Option.toObj)
        | other, _ -> failtest $"{Layers.name other} with {tensors.Length} tensors"

/// From the definitions, in elementary steps.
let byDefinition: Evaluation =
    fun layer tensors training x ->
        match layer, tensors with
        | Layer.Conv2d conv, weight :: bias ->
            // Every window as a column, then one product.
            let x, even = widened conv x
            let pair (sides: Sides) = struct (int64 sides.Height, int64 sides.Width)

            let columns (x: Tensor) =
                F.unfold (
                    x,
                    pair conv.Kernel,
                    dilation = Nullable(pair conv.Dilation),
                    padding = Nullable(pair even),
                    stride = Nullable(pair conv.Stride)
                )

            let side (length: int64) (of': Sides -> int) =
                let extent = int64 (of' conv.Dilation * (of' conv.Kernel - 1) + 1)
                (length + 2L * int64 (of' even) - extent) / int64 (of' conv.Stride) + 1L

            let groups = int64 conv.Groups

            let out =
                Array.map2
                    (fun (weight: Tensor) (x: Tensor) -> weight.flatten(1L).matmul(columns x))
                    (weight.chunk (groups, 0L))
                    (x.chunk (groups, 1L))
                |> fun parts -> torch.cat (parts, 1L)
                |> _.view(x.shape[0], -1L, side x.shape[2] _.Height, side x.shape[3] _.Width)

            match bias with
            | [ bias ] -> out + bias.view (1L, -1L, 1L, 1L)
            | _ -> out
        | Layer.GroupNorm(groups, epsilon), [ weight; bias ] ->
            let grouped = x.view (x.shape[0], int64 groups, -1L)
            let mean = grouped.mean ([| 2L |], true)
            let var = (grouped - mean).square().mean([| 2L |], true)
            let normed = ((grouped - mean) / (var + epsilon.ToScalar()).sqrt()).view x.shape
            let spread (it: Tensor) = it.view (Array.init (int (x.dim ())) (fun place -> if place = 1 then -1L else 1L))
            normed * spread weight + spread bias
        | Layer.LayerNorm2d epsilon, [ weight; bias ] ->
            let mean = x.mean ([| 1L |], true)
            let var = (x - mean).square().mean([| 1L |], true)
            let spread (it: Tensor) = it.view (1L, -1L, 1L, 1L)
            (x - mean) / (var + epsilon.ToScalar()).sqrt() * spread weight + spread bias
        | Layer.LayerScale _, [ scale ] -> x * scale
        | (Layer.Dropout 0.0 | Layer.StochasticDepth 0.0), _ -> x
        | Layer.BatchNorm2d it, [ weight; bias; mean; var; _ ] ->
            let spread (x: Tensor) = x.view (1L, -1L, 1L, 1L)

            let mean, var =
                if training then
                    let mean = x.mean ([| 0L; 2L; 3L |], true)
                    mean, (x - mean).square().mean([| 0L; 2L; 3L |], true)
                else
                    spread mean, spread var

            (x - mean) / (var + it.Epsilon.ToScalar()).sqrt() * spread weight + spread bias
        | Layer.Activation Activation.Relu, _ -> x.clamp_min (0.0.ToScalar())
        | Layer.Activation Activation.LeakyRelu, _ -> torch.where (x.gt (0.0.ToScalar()), x, x * 0.01.ToScalar())
        | Layer.Activation Activation.Tanh, _ -> torch.tanh x
        | Layer.Activation Activation.Gelu, _ ->
            x * 0.5.ToScalar() * (torch.erf (x * (1.0 / sqrt 2.0).ToScalar()) + 1.0.ToScalar())
        | Layer.Activation Activation.Silu, _ -> x / (torch.exp (-x) + 1.0.ToScalar())
        | Layer.Activation Activation.Sigmoid, _ -> torch.pow (torch.exp (-x) + 1.0.ToScalar(), (-1.0).ToScalar())
        | Layer.Activation Activation.Hardswish, _ ->
            x * (x + 3.0.ToScalar()).clamp(0.0.ToScalar(), 6.0.ToScalar()) / 6.0.ToScalar()
        | Layer.Activation Activation.Hardsigmoid, _ ->
            (x + 3.0.ToScalar()).clamp(0.0.ToScalar(), 6.0.ToScalar()) / 6.0.ToScalar()
        | Layer.Activation Activation.Relu6, _ -> x.clamp (0.0.ToScalar(), 6.0.ToScalar())
        | Layer.MaxPool2d pool, _ ->
            F.max_pool2d (x, pair pool.Kernel, pair pool.Stride, pair pool.Padding, pair 1, pool.Ceiling)
        | Layer.AvgPool2d pool, _ ->
            F.avg_pool2d (x, pair pool.Kernel, pair pool.Stride, pair pool.Padding, pool.Ceiling)
        | Layer.AdaptiveAvgPool2d, _ -> x.mean ([| 2L; 3L |], true)
        | Layer.Flatten, _ -> x.reshape (x.shape[0], -1L)
        | Layer.PixelLinear _, weight :: bias ->
            // One product for each example.
            let pixels = x.flatten 2L
            let out = weight.matmul pixels

            let out =
                match bias with
                | [ bias ] -> out + bias.view (1L, -1L, 1L)
                | _ -> out

            out.view (x.shape[0], -1L, x.shape[2], x.shape[3])
        | Layer.Linear _, weight :: bias ->
            let out = x.matmul (weight.t ())

            match bias with
            | [ bias ] -> out + bias
            | _ -> out
        | other, _ -> failtest $"{Layers.name other} with {tensors.Length} tensors"

let rec private walk (evaluation: Evaluation) (state: Dictionary<string, Tensor>) training (x: Tensor) (plan: Plan) =
    match plan.Node with
    | PlanNode.Layer it -> evaluation it.Layer (it.Tensors |> List.map (fun spec -> state[spec.Key])) training x
    | PlanNode.Chain members -> (x, members) ||> List.fold (walk evaluation state training)
    | PlanNode.Fork(join, branches) ->
        let outs = branches |> List.map (walk evaluation state training x)

        match join with
        | Join.Concat -> torch.cat (Array.ofList outs, 1L)
        | Join.Sum -> outs |> List.reduce (fun a b -> a + b)
        | Join.Product -> outs |> List.reduce (fun a b -> a * b)

/// Output, and gradients of the input and of the parameters, of the sum of the output times `direction`. The module
/// is left alone.
let passes evaluation (network: TorchModule) training (x: Tensor) (direction: Tensor) =
    let state = Dictionary()

    for spec in network.Weights.Specs do
        // The same memory: where a tensor begins decides in which order libtorch adds its numbers up.
        let tensor = network.Weights[spec.Key].detach()
        state[spec.Key] <- if spec.IsParameter then tensor.requires_grad_ true else tensor

    let x = x.detach().clone().requires_grad_ true
    let out = walk evaluation state training x network.Plan
    (out * direction).sum().backward()

    out,
    ("the input", x.grad)
    :: [ for spec, _ in network.Weights.Parameters -> spec.Key, state[spec.Key].grad ]
