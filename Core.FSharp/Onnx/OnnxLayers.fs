namespace Hybrid

open TorchSharp

/// Layers as operators of ONNX. Each gives the name of what it made; one that does nothing in evaluation gives back what
/// it read.
module internal OnnxLayers =

    let private whole (it: int) = OnnxAttribute.Whole(int64 it)

    let private sides (sides: Sides) = [ int64 sides.Height; int64 sides.Width ]

    /// The numbers of a tensor in single precision, whatever its strides, as some sort of constant.
    let private numbers (write: string * int64 list * float32 array -> string) name (tensor: Tensor) =
        use _ = torch.NewDisposeScope()
        let plain = tensor.detach().cpu().``to``(torch.ScalarType.Float32).contiguous()
        write (name, List.ofArray tensor.shape, plain.data<float32>().ToArray())

    /// A tensor as a constant in single precision.
    let private constant (draft: OnnxDraft) name tensor = numbers draft.Numbers name tensor

    /// A tensor as a constant in the network's precision.
    let operand (draft: OnnxDraft) name tensor = numbers draft.Operands name tensor

    /// The layer's tensor of some role as a constant under its own key, where the layer has one.
    let private tryTensor write draft (weights: Weights) (layer: LayerPlan) role : string option =
        layer.Tensors
        |> List.tryFind (fun spec -> spec.Role = role)
        |> Option.map (fun spec -> write draft spec.Key weights[spec.Key])

    let private tensor write draft weights layer role =
        tryTensor write draft weights layer role
        |> Option.defaultWith (fun () -> invalidOp $"{Layers.name layer.Layer} has no {role}")

    /// A convolution whose weight, and bias if it has one, are constants already.
    let convolve (draft: OnnxDraft) name (conv: Conv2d) constants x =
        // Above and on the left, then below and on the right.
        let pads =
            match Padding.divide conv with
            | None, even -> sides even @ sides even
            | Some it, _ -> [ it.Top; it.Left; it.Bottom; it.Right ] |> List.map int64

        draft.Node(
            name,
            "Conv",
            x :: constants,
            [
                "kernel_shape", OnnxAttribute.Wholes(sides conv.Kernel)
                "strides", OnnxAttribute.Wholes(sides conv.Stride)
                "pads", OnnxAttribute.Wholes pads
                "dilations", OnnxAttribute.Wholes(sides conv.Dilation)
                "group", whole conv.Groups
            ]
        )

    let private activate (draft: OnnxDraft) name kind x =
        let one op attributes = draft.Node(name, op, [ x ], attributes)
        let step part op inputs = draft.Node($"{name}/{part}", op, inputs, [])

        match kind with
        | Activation.Relu -> one "Relu" []
        | Activation.LeakyRelu -> one "LeakyRelu" [ "alpha", OnnxAttribute.Number Activations.leakySlope ]
        | Activation.Tanh -> one "Tanh" []
        | Activation.Gelu when draft.Opset >= 20 -> one "Gelu" [ "approximate", OnnxAttribute.Text "none" ]
        // x/2 · (1 + erf(x/√2)): older opsets have no operator for it.
        | Activation.Gelu ->
            let scaled = step "scaled" "Div" [ x; draft.Operand("root_of_2", sqrt 2.0) ]
            let erf = step "erf" "Erf" [ scaled ]
            let share = step "share" "Add" [ erf; draft.Operand("one", 1.0) ]
            let whole = step "whole" "Mul" [ x; share ]
            draft.Node(name, "Mul", [ whole; draft.Operand("half", 0.5) ], [])
        | Activation.Silu -> draft.Node(name, "Mul", [ x; step "gate" "Sigmoid" [ x ] ], [])
        | Activation.Sigmoid -> one "Sigmoid" []
        | Activation.Hardswish -> one "HardSwish" []
        | Activation.Hardsigmoid ->
            one "HardSigmoid" [ "alpha", OnnxAttribute.Number(1.0 / 6.0); "beta", OnnxAttribute.Number 0.5 ]
        | Activation.Relu6 -> draft.Node(name, "Clip", [ x; draft.Operand("zero", 0.0); draft.Operand("six", 6.0) ], [])

    /// Groups as the channels of an instance norm over all their numbers; then each channel's own scale and shift. The
    /// operator for all of it is newer than opset 17, and its first version has a scale a group.
    let private groupNorm
        (draft: OnnxDraft)
        weights
        name
        (plan: Plan)
        (layer: LayerPlan)
        (groups: int)
        (epsilon: float)
        x
        =
        let step part op inputs attributes = draft.Node($"{name}/{part}", op, inputs, attributes)
        let each value part = draft.Numbers($"{name}/{part}", [ int64 groups ], Array.replicate groups value)

        // A 0 stands for the length that is there: the batch's.
        let shape part (lengths: int list) = draft.Wholes($"{name}/{part}", 0L :: List.map int64 lengths)

        let perChannel role =
            let key = (layer.Tensors |> List.find (fun spec -> spec.Role = role)).Key
            let dims = Shape.channels plan.Out :: [ for _ in List.tail (Shape.dims plan.Out) -> 1 ]
            use _ = torch.NewDisposeScope()
            let tensor: Tensor = (weights: Weights)[key]
            constant draft key (tensor.detach().reshape(dims |> List.map int64 |> Array.ofList))

        let grouped = step "grouped" "Reshape" [ x; shape "by_groups" [ groups; -1 ] ] []

        let normed =
            step "normed" "InstanceNormalization" [ grouped; each 1.0f "ones"; each 0.0f "zeros" ] [
                "epsilon", OnnxAttribute.Number epsilon
            ]

        let maps = step "maps" "Reshape" [ normed; shape "as_before" (Shape.dims plan.Out) ] []
        let scaled = step "scaled" "Mul" [ maps; perChannel Role.Weight ] []
        draft.Node(name, "Add", [ scaled; perChannel Role.Bias ], [])

    /// Channels go last for as long as they are measured.
    let private layerNorm (draft: OnnxDraft) weights name layer (epsilon: float) x =
        let turned name x (order: int64 list) =
            draft.Node(name, "Transpose", [ x ], [ "perm", OnnxAttribute.Wholes order ])

        let last = turned $"{name}/last" x [ 0L; 2L; 3L; 1L ]

        let normed =
            draft.Node(
                $"{name}/normed",
                "LayerNormalization",
                [
                    last
                    tensor constant draft weights layer Role.Weight
                    tensor constant draft weights layer Role.Bias
                ],
                [ "axis", whole -1; "epsilon", OnnxAttribute.Number epsilon ]
            )

        turned name normed [ 0L; 3L; 1L; 2L ]

    /// How far the last windows of a pool reach beyond the map and its padding, where sides are rounded up. Programs
    /// read ONNX's own `ceil_mode` in several ways, so it is never written.
    let private beyond (pool: Pool2d) (plan: Plan) =
        let over (length: int) (windows: int) =
            max 0 ((windows - 1) * pool.Stride + pool.Kernel - (length + 2 * pool.Padding)) |> int64

        match plan.In, plan.Out with
        | Shape.Image(_, height, width), Shape.Image(_, rows, columns) -> [ over height rows; over width columns ]
        | _ -> invalidOp "a pool is of images"

    let private pooled (draft: OnnxDraft) name op (pool: Pool2d) (before: int64 list) (after: int64 list) others x =
        draft.Node(
            name,
            op,
            [ x ],
            [
                "kernel_shape", OnnxAttribute.Wholes(sides (Sides.square pool.Kernel))
                "strides", OnnxAttribute.Wholes(sides (Sides.square pool.Stride))
                "pads", OnnxAttribute.Wholes(before @ after)
                yield! others
            ]
        )

    let private maxPool draft name (pool: Pool2d) plan x =
        let margin = sides (Sides.square pool.Padding)
        pooled draft name "MaxPool" pool margin (List.map2 (+) margin (beyond pool plan)) [] x

    /// PyTorch's mean counts the padding and does not count what a window has beyond it.
    let private avgPool (draft: OnnxDraft) name (pool: Pool2d) plan x =
        let margin = sides (Sides.square pool.Padding)
        let counted padding = [ "count_include_pad", whole (if padding then 1 else 0) ]

        match beyond pool plan with
        | [ 0L; 0L ] -> pooled draft name "AveragePool" pool margin margin (counted (pool.Padding > 0)) x
        | further ->
            let padded =
                if pool.Padding = 0 then
                    x
                else
                    let pads = draft.Wholes($"{name}/pads", [ 0L; 0L ] @ margin @ [ 0L; 0L ] @ margin)
                    draft.Node($"{name}/padded", "Pad", [ x; pads ], [ "mode", OnnxAttribute.Text "constant" ])

            pooled draft name "AveragePool" pool [ 0L; 0L ] further (counted false) padded

    /// Adds the layer of a plan to the draft, called `name`. In half precision sums over many numbers would come to more than
    /// it holds, and small variances and scales to nothing: these are computed in single.
    let write (draft: OnnxDraft) (weights: Weights) name (plan: Plan) (layer: LayerPlan) x : string =
        let operand' = tensor operand draft weights layer
        let constant' = tensor constant draft weights layer
        let withBias () = Option.toList (tryTensor operand draft weights layer Role.Bias)
        let single part = draft.Single(name, part, x)

        match layer.Layer with
        | Layer.Conv2d conv ->
            let weight = operand' Role.Weight
            convolve draft name conv (weight :: withBias ()) x
        | Layer.Linear _ ->
            let weight = operand' Role.Weight
            draft.Node(name, "Gemm", x :: weight :: withBias (), [ "transB", whole 1 ])
        // A 1×1 convolution is the same, and needs no other order of the dimensions.
        | Layer.PixelLinear(features, _) ->
            let key = (layer.Tensors |> List.find (fun spec -> spec.Role = Role.Weight)).Key
            let table: Tensor = weights[key]
            use flat = table.detach ()
            use kernel = flat.reshape (flat.shape[0], flat.shape[1], 1L, 1L)
            convolve draft name (Conv2d.square 1 features) (operand draft key kernel :: withBias ()) x
        | Layer.BatchNorm2d it ->
            single (fun x ->
                let tensors = [ Role.Weight; Role.Bias; Role.RunningMean; Role.RunningVar ] |> List.map constant'

                draft.Node(
                    name,
                    "BatchNormalization",
                    x :: tensors,
                    [ "epsilon", OnnxAttribute.Number it.Epsilon; "training_mode", whole 0 ]
                ))
        | Layer.GroupNorm(groups, epsilon) -> single (groupNorm draft weights name plan layer groups epsilon)
        | Layer.LayerNorm2d epsilon -> single (layerNorm draft weights name layer epsilon)
        | Layer.Activation kind -> activate draft name kind x
        | Layer.LayerScale _ -> single (fun x -> draft.Node(name, "Mul", [ x; constant' Role.Weight ], []))
        | Layer.Dropout _
        | Layer.StochasticDepth _ -> x
        | Layer.MaxPool2d pool -> maxPool draft name pool plan x
        | Layer.AvgPool2d pool -> single (avgPool draft name pool plan)
        | Layer.AdaptiveAvgPool2d -> single (fun x -> draft.Node(name, "GlobalAveragePool", [ x ], []))
        | Layer.Flatten -> draft.Node(name, "Flatten", [ x ], [ "axis", whole 1 ])
