namespace Hybrid

open System.IO

/// How a network is written as ONNX.
type OnnxOptions = {
    /// Version of the operators, of those in `Onnx.opsets`.
    Opset: int
    /// Batch norms are written into the convolutions before them.
    Fold: bool
    /// Weights and arithmetic in half precision, but for norms, means and scales; input and output stay in single.
    Half: bool
    /// The graph reads pictures as they are, bytes `[N, H, W, 3]` (red, green, blue) of any size, brings them to the
    /// network's size, normalises them by this, and gives probabilities.
    Pictures: Normalisation option
}

/// Networks for ONNX Runtime and other programs that read ONNX. Input `input` `[N, C, H, W]` (`[N, F]` for a plan that
/// reads features) and output `output` are single precision; N is free. A network is written as in evaluation, whatever
/// mode it is in.
[<RequireQualifiedAccess>]
module Onnx =

    open Patterns

    /// First and last version of the operators that are written.
    let opsets = 17, 21

    /// The first opset, norms as they are.
    let usual = { Opset = fst opsets; Fold = false; Half = false; Pictures = None }

    /// Why a plan cannot be written so, where it cannot; nothing is allocated.
    let problem (options: OnnxOptions) (plan: Plan) : string option =
        let numbers =
            Plan.stateTensors plan
            |> List.filter (fun spec -> spec.Role <> Role.NumBatchesTracked)
            |> List.sumBy _.Elements

        match options.Pictures, plan.In, plan.Out with
        | _ when numbers * 4L > OnnxFile.longest ->
            Some
                $"its {numbers:N0} numbers take {numbers * 4L:N0} bytes, and an ONNX file holds {OnnxFile.longest:N0} at most: write a .safetensors file"
        | Some it, Shape.Image(3, _, _), Shape.Features _ when it.Mean.Length = 3 && it.Std.Length = 3 -> None
        | Some _, input, output ->
            Some $"it makes {output} of {input}, and preprocessing is of pictures of three channels for a classifier"
        | None, _, _ -> None

    let private named path what = if path = "" then what else $"{path}.{what}"

    /// A convolution with the norms behind it in one.
    let private folded (draft: OnnxDraft) weights (plan: Plan) conv layer norms x =
        use _ = TorchSharp.torch.NewDisposeScope()
        let kernel = Folding.withNorms weights (Folding.kernel weights layer) norms
        let weight = OnnxLayers.operand draft (named plan.Path "weight") kernel.Weight
        let bias = OnnxLayers.operand draft (named plan.Path "bias") kernel.Bias
        OnnxLayers.convolve draft (named plan.Path (Layers.name layer.Layer)) conv [ weight; bias ] x

    let rec private sequence options draft weights (plans: Plan list) x =
        match plans with
        | [] -> x
        | Conv(conv, layer) as plan :: (Norm _ :: _ as behind) when options.Fold ->
            let norms, rest = takeNorms behind
            folded draft weights plan conv layer norms x |> sequence options draft weights rest
        | Layer layer as plan :: rest ->
            OnnxLayers.write draft weights (named plan.Path (Layers.name layer.Layer)) plan layer x
            |> sequence options draft weights rest
        | Fork(join, branches) as plan :: rest ->
            branches
            |> List.map (fun branch -> sequence options draft weights branch x)
            |> joined draft (named plan.Path (string join)) join
            |> sequence options draft weights rest
        | plan :: rest -> sequence options draft weights (Plan.sequence plan @ rest) x

    and private joined (draft: OnnxDraft) name join outs =
        match join with
        | Join.Concat -> draft.Node(name, "Concat", outs, [ "axis", OnnxAttribute.Whole 1L ])
        | Join.Sum -> outs |> List.reduce (fun a b -> draft.Node(name, "Add", [ a; b ], []))
        | Join.Product -> outs |> List.reduce (fun a b -> draft.Node(name, "Mul", [ a; b ], []))

    let private port name element sides : OnnxPort = {
        Name = name
        Element = element
        Sides = OnnxSide.Free "batch" :: sides
    }

    let private fixedSides shape = [ for side in Shape.dims shape -> OnnxSide.Fixed side ]

    /// The network with its weights as they are now.
    let internal graph (options: OnnxOptions) name (weights: Weights) : OnnxGraph =
        let plan = weights.Plan

        let draft =
            OnnxDraft(options.Opset, (if options.Half then OnnxElement.Float16 else OnnxElement.Float32))

        let logits x =
            draft.Enter("narrow", x)
            |> sequence options draft weights (Plan.sequence plan)
            |> fun logits -> draft.Leave("wide", logits)

        let output = port OnnxDraft.Output OnnxElement.Float32 (fixedSides plan.Out)

        match options.Pictures, plan.In with
        | Some normalisation, Shape.Image(_, height, width) ->
            let sides = [ OnnxSide.Free "height"; OnnxSide.Free "width"; OnnxSide.Fixed 3 ]
            let logits = OnnxPictures.write draft normalisation height width |> logits

            let probabilities =
                draft.Node("probabilities", "Softmax", [ logits ], [ "axis", OnnxAttribute.Whole 1L ])

            draft.Graph(name, port OnnxDraft.Input OnnxElement.UInt8 sides, output, probabilities)
        | _ ->
            let input = port OnnxDraft.Input OnnxElement.Float32 (fixedSides plan.In)
            draft.Graph(name, input, output, logits OnnxDraft.Input)

    /// Writes a network under a name. `facts` go into the file's metadata, in that order. The same network gives the
    /// same bytes. Throws `InvalidOperationException` where that cannot be, which `problem` says beforehand, and
    /// `OverflowException` where a weight is beyond half precision.
    let write (options: OnnxOptions) name (facts: (string * string) list) (weights: Weights) (target: Stream) : unit =
        problem options weights.Plan |> Option.iter invalidOp
        let version = typeof<OnnxOptions>.Assembly.GetName().Version.ToString 3
        OnnxFile.write version facts (graph options name weights) target
