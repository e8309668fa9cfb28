namespace Hybrid

open System
open System.Threading
open TorchSharp

/// A network that is only evaluated: batch norms are folded into the convolutions beside them, activations and sums
/// are built into the convolutions where libtorch has them so, dense blocks grow in place. It runs as one TorchScript
/// method and keeps its own copy of the weights as they were when it was made.
[<Sealed>]
type FusedNetwork internal (forward: torch.jit.ScriptModule, constants: Tensor array, placement: Placement) =

    let mutable alive = 1

    /// Where it computes, and in which precision.
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

/// From a network's weights to one that is only evaluated.
[<RequireQualifiedAccess>]
module Fusion =

    open Patterns

    let private scriptOf (weights: Weights) layer = (LayerForward.operation weights false layer).Script

    /// A layer as it is.
    let private plain (script: FusedScript) (weights: Weights) (layer: LayerPlan) (x: Name) =
        match scriptOf weights layer with
        | Some write -> write script x
        | None -> invalidOp $"{Layers.name layer.Layer} cannot be fused: Fusion.supports says so beforehand"

    /// A norm that no convolution before it takes up, and the activation behind it.
    let private norm (script: FusedScript) (weights: Weights) (layer: LayerPlan) activation (x: Name) =
        match script.Dialect, script.Placement.DType with
        | Dialect.OneDnn, torch.ScalarType.BFloat16 ->
            // In half precision a depthwise 1×1 convolution does both in one pass.
            let affine = Folding.affine weights layer
            let count = int affine.Scale.shape[0]
            let conv = Conv2d.depthwise 1 count
            let kernel = { Weight = affine.Scale.view (-1L, 1L, 1L, 1L); Bias = affine.Shift }
            script.Convolve(conv, kernel, activation, x)
        | _ -> plain script weights layer x |> script.Activate activation

    /// Norm and ReLU before a 1×1 convolution, as a clamp and a convolution. In half precision libtorch's clamp by
    /// tensors is not vectorised.
    let private (|Clampable|_|) (script: FusedScript) conv =
        match conv with
        | Pointwise _ when script.Placement.DType = torch.ScalarType.Float32 -> Some()
        | _ -> None

    let private clamp (script: FusedScript) (clamp: Clamp) (x: Name) =
        let bound (values: Tensor) = script.Constant(values.view (1L, -1L, 1L, 1L))
        let inPlace = if x.Owned then "_" else ""

        match clamp.High with
        | None -> script.Let $"torch.clamp_min{inPlace}({x.Text}, {bound clamp.Low})"
        | Some high -> script.Let $"torch.clamp{inPlace}({x.Text}, {bound clamp.Low}, {bound high})"

    /// A part that puts new channels in front of its input, or behind it, which the new ones' first step reads in any
    /// strides: what makes them, and whether they come first.
    let private (|Growing|_|) script plan =
        match plan with
        | Fork(Join.Concat, [ NormRelu(_, Conv(Clampable script, _) :: _) as body; [] ]) -> Some(body, true)
        | Fork(Join.Concat, [ []; NormRelu(_, Conv(Clampable script, _) :: _) as body ]) -> Some(body, false)
        | _ -> None

    let private grows script first plan =
        match plan with
        | Growing script (_, itsFirst) -> itsFirst = first
        | _ -> false

    let rec private emit (script: FusedScript) (weights: Weights) (plans: Plan list) (x: Name) : Name =
        let emit = emit script weights

        /// The convolution with the norms and the activation behind it, and the rest.
        let convolve conv (kernel: Kernel) behind x =
            let norms, rest = takeNorms behind
            let activation, rest = takeActivation rest
            emit rest (script.Convolve(conv, Folding.withNorms weights kernel norms, activation, x))

        match plans with
        | [] -> x
        | Conv(conv, layer) :: rest -> convolve conv (Folding.kernel weights layer) rest x
        | NormRelu(norm, Conv(Clampable script as conv, layer) :: rest) ->
            let bounds, kernel = Folding.precededByRelu (Folding.affine weights norm) (Folding.kernel weights layer)
            convolve conv kernel rest (clamp script bounds x)
        | Norm layer :: rest ->
            let activation, rest = takeActivation rest
            emit rest (norm script weights layer activation x)
        | Layer layer :: rest -> emit rest (plain script weights layer x)
        | Growing script (_, first) :: _ ->
            let block = plans |> List.takeWhile (grows script first)
            emit (List.skip block.Length plans) (grow script weights first block x)
        | Fork(Join.Concat, branches) :: rest ->
            let outs = branches |> List.map (fun branch -> emit branch { x with Owned = false })
            let list = outs |> List.map _.Text |> String.concat ", "
            emit rest (script.Let $"torch.cat([{list}], 1)")
        | Fork(Join.Product, branches) :: rest ->
            let outs = branches |> List.map (fun branch -> emit branch { x with Owned = false })
            let times (a: Name) (b: Name) = script.Let $"torch.mul({a.Text}, {b.Text})"
            emit rest (List.reduce times outs)
        | Fork(Join.Sum, branches) :: rest ->
            let activation, rest = takeActivation rest
            emit rest (sum script weights branches activation x)
        | plan :: rest -> emit (Plan.sequence plan @ rest) x

    /// A dense block: one buffer for the input and all new channels, which are put in front of it (`first`) or behind it one
    /// after the other; nothing that is there already is copied again.
    and private grow script weights first (block: Plan list) x =
        let height, width =
            match block.Head.Out with
            | Shape.Image(_, height, width) -> height, width
            | Shape.Features _ -> invalidOp "a dense block is of images"

        let total = Shape.channels (List.last block).Out

        let buffer =
            script.Let $"torch.new_empty({x.Text}, [torch.size({x.Text}, 0), {height}, {width}, {total}])"
            |> fun dense -> script.Let $"torch.permute({dense.Text}, [0, 3, 1, 2])"

        let slice start count = script.Let $"torch.narrow({buffer.Text}, 1, {start}, {count})"

        let put start count (y: Name) = script.Do $"torch.copy_({(slice start count).Text}, {y.Text}, False)"

        for index, plan in List.indexed block do
            match plan with
            | Growing script (body, _) ->
                let before, after = Shape.channels plan.In, Shape.channels plan.Out
                let start = if first then total - before else 0

                if index = 0 then
                    put start before x

                let seen = { slice start before with Owned = false }

                emit script weights body seen |> put (if first then total - after else before) (after - before)
            | _ -> ()

        buffer

    and private sum script weights branches activation x =
        let shared = { x with Owned = false }

        let add (a: Name) (b: Name) =
            if a.Owned then script.Let $"torch.add_({a.Text}, {b.Text})"
            elif b.Owned then script.Let $"torch.add_({b.Text}, {a.Text})"
            else script.Let $"torch.add({a.Text}, {b.Text})"

        let ends =
            branches
            |> List.mapi (fun place branch ->
                match branch with
                | EndsInConv(before, conv, layer, norms) ->
                    Some(place, before, conv, Folding.withNorms weights (Folding.kernel weights layer) norms)
                | _ -> None)
            |> List.tryPick id

        match ends with
        | Some(place, before, conv, kernel) ->
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

    /// Whether there is anything to gain: double precision is for comparing, and stays as it is written; on a GPU the
    /// script would be compiled anew for every size of a batch.
    let paysAt (placement: Placement) =
        placement.DType <> torch.ScalarType.Float64 && placement.Device.``type`` = DeviceType.CPU

    /// Whether the network can be fused, and gains by it. One that cannot runs as it is.
    let supports (weights: Weights) =
        paysAt weights.Placement
        && Plan.layers weights.Plan |> List.forall (fun (_, layer) -> (scriptOf weights layer).IsSome)

    /// The plan without what is random in training: in evaluation it changes nothing, and stands between neighbours that
    /// are treated together.
    let rec private evaluated (plan: Plan) : Plan =
        match plan.Node with
        | PlanNode.Layer layer when (Layers.facts layer.Layer).Random -> { plan with Node = PlanNode.Chain [] }
        | PlanNode.Layer _ -> plan
        | PlanNode.Chain members -> { plan with Node = PlanNode.Chain(List.map evaluated members) }
        | PlanNode.Fork(join, branches) -> { plan with Node = PlanNode.Fork(join, List.map evaluated branches) }

    /// The network with its weights as they are now, for evaluation. Throws `InvalidOperationException` where one of its
    /// layers has no script.
    let ofWeights (weights: Weights) : FusedNetwork =
        use _ = torch.NewDisposeScope()
        use _ = torch.no_grad ()
        let placement = weights.Placement
        let script = FusedScript(Dialect.find placement, placement)
        let result = emit script weights (Plan.sequence (evaluated weights.Plan)) { Text = "x"; Owned = false }

        let result =
            if placement.DType = Placement.storage placement then
                result
            else
                script.Let $"torch.to({result.Text}, {int (Placement.storage placement)})"

        new FusedNetwork(Script.load (script.Text result), script.Constants, placement)
