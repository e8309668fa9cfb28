namespace Hybrid

open System
open System.Threading
open TorchSharp

/// A plan for evaluation alone: chains flat, segments of paths gone.
[<RequireQualifiedAccess>]
type private Part =
    | Conv of Conv2d * LayerPlan
    | Norm of LayerPlan
    | Act of Activation
    | Other of LayerPlan
    /// Shapes of what goes in and of what comes out, and the branches.
    | Fork of Join * Shape * Shape * Part list list

/// A network that is only evaluated: batch norms are folded into the convolutions beside them, activations and sums
/// are built into the convolutions where libtorch has them so, dense blocks grow in place. It runs as one TorchScript
/// method and keeps its own copy of the weights as they were when it was made.
[<Sealed>]
type FusedNetwork internal (forward: torch.jit.ScriptModule, constants: Tensor array, placement: Placement) =

    let mutable alive = 1

    member _.Placement = placement

    /// Logits `[N, classes]` of images `[N, C, H, W]`; in float32 also where the network computes in bfloat16.
    member _.forward(x: Tensor) : Tensor =
        use _ = torch.no_grad ()
        forward.invoke<Tensor>("forward", x, constants)

    interface IDisposable with
        member _.Dispose() =
            if Interlocked.Exchange(&alive, 0) = 1 then
                forward.Dispose()
                constants |> Array.iter _.Dispose()

[<RequireQualifiedAccess>]
module Fusion =

    let rec private parts (plan: Plan) : Part list =
        match plan.Node with
        | PlanNode.Layer layer ->
            match layer.Layer with
            | Layer.Conv2d conv -> [ Part.Conv(conv, layer) ]
            | Layer.BatchNorm2d -> [ Part.Norm layer ]
            | Layer.Activation kind -> [ Part.Act kind ]
            | _ -> [ Part.Other layer ]
        | PlanNode.Chain members -> members |> List.collect parts
        | PlanNode.Fork(_, [ only ]) -> parts only
        | PlanNode.Fork(join, branches) -> [ Part.Fork(join, plan.In, plan.Out, List.map parts branches) ]

    /// An activation at the front, and what is behind it.
    let private takeActivation following =
        match following with
        | Part.Act kind :: rest -> Some kind, rest
        | rest -> None, rest

    /// A convolution's numbers with those of the norms right behind it, and what is behind those.
    let rec private foldNorms weights kernel following =
        match following with
        | Part.Norm norm :: rest -> foldNorms weights (Folding.followedBy (Folding.affine weights norm) kernel) rest
        | rest -> kernel, rest

    /// A branch up to its last convolution and that one with the norms behind it, where it ends so.
    let private lastConvolution weights (branch: Part list) =
        let norms = branch |> List.rev |> List.takeWhile _.IsNorm |> List.length
        let rest, norms = List.splitAt (branch.Length - norms) branch

        match List.rev rest with
        | Part.Conv(conv, layer) :: before ->
            let kernel, _ = foldNorms weights (Folding.kernel weights layer) norms
            Some(List.rev before, conv, kernel)
        | _ -> None

    let private channels shape =
        match shape with
        | Shape.Image(channels, _, _) -> channels
        | Shape.Features count -> count

    let private pair (side: int) = $"[{side}, {side}]"

    let private window (pool: Pool2d) = $"{pair pool.Kernel}, {pair pool.Stride}, {pair pool.Padding}"

    let private other (script: FusedScript) (weights: Weights) (layer: LayerPlan) (x: Name) =
        match layer.Layer with
        | Layer.MaxPool2d pool -> script.Let $"torch.max_pool2d({x.Text}, {window pool}, [1, 1], False)"
        | Layer.AvgPool2d pool -> script.Let $"torch.avg_pool2d({x.Text}, {window pool}, False, True, None)"
        | Layer.AdaptiveAvgPool2d -> script.Let $"torch.adaptive_avg_pool2d({x.Text}, [1, 1])"
        // It may be a view of what it was made from.
        | Layer.Flatten -> { script.Let $"torch.flatten({x.Text}, 1, -1)" with Owned = false }
        | Layer.Linear _ ->
            // As in training: the last sums are in float32 whatever came before.
            let dtype = Placement.storage script.Placement

            let tensors = layer.Tensors |> List.map (fun spec -> script.Constant(weights[spec.Key].detach(), dtype))

            let bias = tensors |> List.tryItem 1 |> Option.defaultValue "None"

            let x =
                if dtype = script.Placement.DType then
                    x
                else
                    script.Let $"torch.to({x.Text}, {int dtype})"

            script.Let $"torch.linear({x.Text}, {tensors.Head}, {bias})"
        | layer -> invalidOp $"{Layer.name layer} is not a layer on its own"

    /// A norm that no convolution before it takes up, and the activation behind it.
    let private norm (script: FusedScript) (weights: Weights) (layer: LayerPlan) activation (x: Name) =
        match script.Dialect, script.Placement.DType with
        | Dialect.OneDnn, torch.ScalarType.BFloat16 ->
            // In half precision a depthwise 1×1 convolution does both in one pass.
            let affine = Folding.affine weights layer
            let count = int affine.Scale.shape[0]
            let conv = { Conv2d.square 1 count with Padding = 0 }
            let kernel = { Weight = affine.Scale.view (-1L, 1L, 1L, 1L); Bias = affine.Shift }
            script.Convolve(conv, kernel, activation, x, groups = count)
        | _ ->
            let dtype = Placement.storage script.Placement

            let tensor role =
                let spec = layer.Tensors |> List.find (fun spec -> spec.Role = role)
                script.Constant(weights[spec.Key], dtype)

            let weight, bias = tensor Role.Weight, tensor Role.Bias
            let mean, var = tensor Role.RunningMean, tensor Role.RunningVar

            let settings = $"{BatchNorm2d.momentum}, {BatchNorm2d.epsilon}"

            script.Let $"torch.batch_norm({x.Text}, {weight}, {bias}, {mean}, {var}, False, {settings}, False)"
            |> script.Activate activation

    /// Norm and ReLU before a 1×1 convolution, as a clamp and a convolution. In half precision libtorch's clamp by
    /// tensors is not vectorised.
    let private clampable (script: FusedScript) (conv: Conv2d) =
        conv.Kernel = 1 && conv.Padding = 0 && script.Placement.DType = torch.ScalarType.Float32

    let private clamp (script: FusedScript) (clamp: Clamp) (x: Name) =
        let bound (values: Tensor) = script.Constant(values.view (1L, -1L, 1L, 1L))
        let inPlace = if x.Owned then "_" else ""

        match clamp.High with
        | None -> script.Let $"torch.clamp_min{inPlace}({x.Text}, {bound clamp.Low})"
        | Some high -> script.Let $"torch.clamp{inPlace}({x.Text}, {bound clamp.Low}, {bound high})"

    /// Whether a part puts new channels in front of its input, which the new ones' first step reads in any strides.
    let private grows script part =
        match part with
        | Part.Fork(Join.Concat, _, _, [ Part.Norm _ :: Part.Act Activation.Relu :: Part.Conv(conv, _) :: _; [] ]) ->
            clampable script conv
        | _ -> false

    let rec private emit (script: FusedScript) (weights: Weights) (network: Part list) (x: Name) : Name =
        let emit = emit script weights

        match network with
        | [] -> x
        | Part.Conv(conv, layer) :: rest ->
            let kernel, rest = foldNorms weights (Folding.kernel weights layer) rest
            let activation, rest = takeActivation rest
            emit rest (script.Convolve(conv, kernel, activation, x))
        | Part.Norm norm :: Part.Act Activation.Relu :: Part.Conv(conv, layer) :: rest when clampable script conv ->
            let bounds, kernel = Folding.precededByRelu (Folding.affine weights norm) (Folding.kernel weights layer)
            let kernel, rest = foldNorms weights kernel rest
            let activation, rest = takeActivation rest
            emit rest (script.Convolve(conv, kernel, activation, clamp script bounds x))
        | Part.Norm layer :: rest ->
            let activation, rest = takeActivation rest
            emit rest (norm script weights layer activation x)
        | Part.Act kind :: rest -> emit rest (script.Activate (Some kind) x)
        | Part.Other layer :: rest -> emit rest (other script weights layer x)
        | part :: _ when grows script part ->
            let block = network |> List.takeWhile (grows script)
            emit (List.skip block.Length network) (grow script weights block x)
        | Part.Fork(Join.Concat, _, _, branches) :: rest ->
            let outs = branches |> List.map (fun branch -> emit branch { x with Owned = false })
            let list = outs |> List.map _.Text |> String.concat ", "
            emit rest (script.Let $"torch.cat([{list}], 1)")
        | Part.Fork(Join.Sum, _, _, branches) :: rest ->
            let activation, rest = takeActivation rest
            emit rest (sum script weights branches activation x)

    /// A dense block: one buffer for the input and all new channels, which are put in front of it one after the
    /// other; nothing that is there already is copied again.
    and private grow script weights block x =
        let size =
            match List.last block with
            | Part.Fork(_, _, out, _) -> out
            | _ -> invalidOp "a dense block ends in a fork"

        let height, width =
            match size with
            | Shape.Image(_, height, width) -> height, width
            | Shape.Features _ -> invalidOp "a dense block is of images"

        let total = channels size

        let buffer =
            script.Let $"torch.new_empty({x.Text}, [torch.size({x.Text}, 0), {height}, {width}, {total}])"
            |> fun dense -> script.Let $"torch.permute({dense.Text}, [0, 3, 1, 2])"

        let slice first count = script.Let $"torch.narrow({buffer.Text}, 1, {first}, {count})"

        let put first count (y: Name) = script.Do $"torch.copy_({(slice first count).Text}, {y.Text}, False)"

        for index, part in List.indexed block do
            match part with
            | Part.Fork(_, before, after, body :: _) ->
                let before, after = channels before, channels after

                if index = 0 then
                    put (total - before) before x

                let seen = { slice (total - before) before with Owned = false }
                emit script weights body seen |> put (total - after) (after - before)
            | _ -> ()

        buffer

    and private sum script weights branches activation x =
        let shared = { x with Owned = false }

        let add (a: Name) (b: Name) =
            if a.Owned then script.Let $"torch.add_({a.Text}, {b.Text})"
            elif b.Owned then script.Let $"torch.add_({b.Text}, {a.Text})"
            else script.Let $"torch.add({a.Text}, {b.Text})"

        match branches |> List.tryFindIndex (lastConvolution weights >> Option.isSome) with
        | Some place when branches.Length > 1 ->
            let before, conv, kernel = (lastConvolution weights branches[place]).Value
            let input = emit script weights before shared

            let total =
                branches |> List.removeAt place |> List.map (emitWith script weights shared) |> List.reduce add

            // All that read the network's own input have done so by now, unless it is this last convolution.
            let total = if total.Text = x.Text then { total with Owned = x.Owned } else total
            script.ConvolveInto(conv, kernel, activation, input, total)
        | _ ->
            branches
            |> List.map (emitWith script weights shared)
            |> List.reduce add
            |> script.Activate activation

    and private emitWith script weights x branch = emit script weights branch x

    /// Which operations a network held so is made of: `oneDNN` or `plain`.
    let dialect placement =
        match Dialect.find placement with
        | Dialect.OneDnn -> "oneDNN"
        | Dialect.Plain -> "plain"

    /// Whether there is anything to gain: double precision is for comparing, and stays as it is written; on a GPU the
    /// script would be compiled anew for every size of a batch.
    let supports (placement: Placement) =
        placement.DType <> torch.ScalarType.Float64 && placement.Device.``type`` = DeviceType.CPU

    /// The network with its weights as they are now, for evaluation.
    let ofWeights (weights: Weights) : FusedNetwork =
        use _ = torch.NewDisposeScope()
        use _ = torch.no_grad ()
        let placement = weights.Placement
        let script = FusedScript(Dialect.find placement, placement)
        let result = emit script weights (parts weights.Plan) { Text = "x"; Owned = false }

        let result =
            if placement.DType = Placement.storage placement then
                result
            else
                script.Let $"torch.to({result.Text}, {int (Placement.storage placement)})"

        new FusedNetwork(Script.load (script.Text result), script.Constants, placement)
