namespace Hybrid

open TorchSharp

/// Whether a pass trains, and where it draws random numbers from: libtorch's own generator where no other is given.
[<Struct; NoComparison>]
type internal Mode = { Training: bool; Draws: torch.Generator | null }

/// Runs a part of a network on `x`. `owned` says that the caller has no more use for `x`: it is then released, or
/// written over, as soon as the part has read it. Gives `x` itself back where the part changes nothing.
type internal Run = delegate of x: Tensor * owned: bool * mode: Mode -> Tensor

/// A layer as libtorch's operations: called, and as a line of TorchScript for a network that is only evaluated. A layer
/// without a script keeps its network from being fused.
type internal Operation = { Run: Run; Script: (ScriptText -> Name -> Name) option }

/// Layers as calls of libtorch's operations.
module internal LayerForward =

    open Patterns

    type private F = torch.nn.functional

    /// Lets go of `x`, unless it is one of the tensors that live on. TorchSharp's in-place operations give back the
    /// tensor that they were called on.
    let release (kept: Tensor list) (x: Tensor) =
        if not (kept |> List.exists (fun it -> obj.ReferenceEquals(it, x))) then
            x.Dispose()

    /// An operation that makes a new tensor: its input goes as soon as it is done.
    let private fresh (operation: Tensor -> Mode -> Tensor) =
        Run(fun x owned mode ->
            let y = operation x mode

            if owned && not (obj.ReferenceEquals(x, y)) then
                x.Dispose()

            y)

    let private activate kind overwrite =
        let call = ActivationCall.find kind

        match call.ApplyOver with
        | Some applyOver when overwrite ->
            Run(fun x owned _ ->
                if owned then
                    let y = applyOver x
                    release [ y ] x
                    y
                else
                    call.Apply x)
        | _ -> fresh (fun x _ -> call.Apply x)

    /// A layer's tensor of some role, where it has one.
    let private tensor (weights: Weights) (layer: LayerPlan) role : Tensor | null =
        match layer.Tensors |> List.tryFind (fun spec -> spec.Role = role) with
        | Some spec -> weights[spec.Key]
        | None -> null

    let private batchNorm (weights: Weights) (layer: LayerPlan) =
        let tensor = tensor weights layer >> nonNull
        let weight, bias = tensor Role.Weight, tensor Role.Bias
        let mean, var = tensor Role.RunningMean, tensor Role.RunningVar
        let { Momentum = momentum; Epsilon = epsilon } = BatchNorm2d.ofLayer layer.Layer
        let settings = $"{ScriptText.number momentum}, {ScriptText.number epsilon}"

        {
            Run = fresh (fun x mode -> F.batch_norm (x, mean, var, weight, bias, mode.Training, momentum, epsilon))
            Script =
                Some(fun script x ->
                    let dtype = Placement.storage script.Placement

                    let tensors =
                        [ weight; bias; mean; var ]
                        |> List.map (fun tensor -> script.Constant(tensor, dtype))
                        |> String.concat ", "

                    script.Let $"torch.batch_norm({x.Text}, {tensors}, False, {settings}, False)")
        }

    /// Fewer input channels than this fill no vector of the processor.
    let private vector = 16

    /// A convolution of so many channels as a function of its input, weight and bias.
    /// For a strided 1×1 convolution of few channels the pixels that it reads are picked out first, which comes to the
    /// same numbers: oneDNN's own way (libtorch 2.10, AVX-512, channels last) writes outside its memory in the backward
    /// pass when the batch size is odd.
    let private plain (conv: Conv2d) channels : Tensor -> Tensor -> (Tensor | null) -> Tensor =
        let uneven, even = Padding.divide conv
        let stride, padding, dilation = ofSides conv.Stride, ofSides even, ofSides conv.Dilation
        let groups = int64 conv.Groups

        match conv with
        | Pointwise step when step <> Sides.square 1 && channels < vector ->
            fun x weight bias ->
                use picked = everyPixel step x
                F.conv2d (picked, weight, bias, pair 1, padding, dilation, 1L)
        | _ ->
            let call (x: Tensor) (weight: Tensor) (bias: Tensor | null) =
                F.conv2d (x, weight, bias, stride, padding, dilation, groups)

            match uneven with
            | None -> call
            | Some margins ->
                fun x weight bias ->
                    use whole = padded margins x
                    call whole weight bias

    /// A convolution of so many channels in the precision that the network computes in.
    let private convolve (placement: Placement) conv channels =
        let plain = plain conv channels
        let dtype = placement.DType

        fun (x: Tensor) (weight: Tensor) (bias: Tensor | null) ->
            use _ = torch.NewDisposeScope()

            let bias: Tensor | null =
                match bias with
                | null -> null
                | bias -> bias.``to`` dtype

            (plain x (weight.``to`` dtype) bias).MoveToOuterDisposeScope()

    let private convolution (weights: Weights) (plan: LayerPlan) (conv: Conv2d) =
        let weight, bias = nonNull (tensor weights plan Role.Weight), tensor weights plan Role.Bias
        let convolve = convolve weights.Placement conv (int weight.shape[1])

        {
            Run = fresh (fun x _ -> convolve x weight bias)
            Script =
                Some(fun script x ->
                    let bias =
                        match bias with
                        | null -> "None"
                        | bias -> script.Constant bias

                    let x = ScriptText.padded script conv x

                    script.Let
                        $"torch.conv2d({x.Text}, {script.Constant weight}, {bias}, {ScriptText.convolution conv})")
        }

    /// The last sums of a network are in float32 whatever came before.
    let private linear (weights: Weights) (plan: LayerPlan) =
        let weight, bias = nonNull (tensor weights plan Role.Weight), tensor weights plan Role.Bias
        let dtype = Placement.storage weights.Placement

        let call (x: Tensor) = F.linear (x, weight, bias)

        {
            Run =
                if dtype = weights.Placement.DType then
                    fresh (fun x _ -> call x)
                else
                    fresh (fun x _ ->
                        use wide = x.``to`` dtype
                        call wide)
            Script =
                Some(fun script x ->
                    let bias =
                        match bias with
                        | null -> "None"
                        | bias -> script.Constant(bias, dtype)

                    let x =
                        if dtype = script.Placement.DType then
                            x
                        else
                            script.Let $"torch.to({x.Text}, {int dtype})"

                    script.Let $"torch.linear({x.Text}, {script.Constant(weight, dtype)}, {bias})")
        }

    /// The layer's scale and shift in a script.
    let private affine (script: ScriptText) (weight: Tensor) (bias: Tensor) =
        let dtype = Placement.storage script.Placement
        $"{script.Constant(weight, dtype)}, {script.Constant(bias, dtype)}"

    let private groupNorm (weights: Weights) (plan: LayerPlan) (groups: int) (epsilon: float) =
        let weight, bias = nonNull (tensor weights plan Role.Weight), nonNull (tensor weights plan Role.Bias)

        {
            Run = fresh (fun x _ -> F.group_norm (x, int64 groups, weight, bias, epsilon))
            Script =
                Some(fun script x ->
                    script.Let
                        $"torch.group_norm({x.Text}, {groups}, {affine script weight bias}, {ScriptText.number epsilon}, False)")
        }

    /// Channels go last for as long as they are measured.
    let private layerNorm (weights: Weights) (plan: LayerPlan) (epsilon: float) =
        let weight, bias = nonNull (tensor weights plan Role.Weight), nonNull (tensor weights plan Role.Bias)
        let channels = weight.shape

        {
            Run =
                fresh (fun x _ ->
                    use _ = torch.NewDisposeScope()

                    F
                        .layer_norm(x.permute (0L, 2L, 3L, 1L), channels, weight, bias, epsilon)
                        .permute(0L, 3L, 1L, 2L)
                        .MoveToOuterDisposeScope())
            Script =
                Some(fun script x ->
                    let last = script.Let $"torch.permute({x.Text}, [0, 2, 3, 1])"
                    let tensors = affine script weight bias

                    let normed =
                        script.Let
                            $"torch.layer_norm({last.Text}, [{channels[0]}], {tensors}, {ScriptText.number epsilon}, False)"

                    script.Let $"torch.permute({normed.Text}, [0, 3, 1, 2])")
        }

    let private layerScale (weights: Weights) (plan: LayerPlan) =
        let weight = nonNull (tensor weights plan Role.Weight)
        let dtype = weights.Placement.DType

        {
            Run =
                fresh (fun x _ ->
                    use scale = weight.``to`` dtype
                    x.mul scale)
            Script = Some(fun script x -> script.Let $"torch.mul({x.Text}, {script.Constant weight})")
        }

    /// Leaves out some of the numbers of a mask of that size in training. They are drawn on the CPU in float32 in the order
    /// of their indices, so that neither device nor precision nor layout changes them.
    let private noise rate (sizeOf: int64 array -> int64 array) =
        let kept = 1.0 - rate

        {
            Run =
                fresh (fun x mode ->
                    if not mode.Training || rate = 0.0 then
                        x
                    else
                        use _ = torch.NewDisposeScope()
                        let mask = torch.empty (sizeOf x.shape, dtype = System.Nullable torch.ScalarType.Float32)
                        let drawn = mask.bernoulli_ (kept, mode.Draws)
                        x.mul(drawn.``to``(x.dtype, x.device).div_(scalar kept)).MoveToOuterDisposeScope())
            Script = Some(fun _ x -> x)
        }

    /// A linear layer over the channels of each pixel, which lie last in memory or are brought there.
    let private pixelLinear (weights: Weights) (plan: LayerPlan) =
        let weight, bias = nonNull (tensor weights plan Role.Weight), tensor weights plan Role.Bias
        let dtype = weights.Placement.DType

        {
            Run =
                fresh (fun x _ ->
                    use _ = torch.NewDisposeScope()

                    let bias: Tensor | null =
                        match bias with
                        | null -> null
                        | bias -> bias.``to`` dtype

                    F
                        .linear(x.permute (0L, 2L, 3L, 1L), weight.``to`` dtype, bias)
                        .permute(0L, 3L, 1L, 2L)
                        .MoveToOuterDisposeScope())
            Script =
                Some(fun script x ->
                    let bias =
                        match bias with
                        | null -> "None"
                        | bias -> script.Constant bias

                    let last = script.Let $"torch.permute({x.Text}, [0, 2, 3, 1])"
                    let y = script.Let $"torch.linear({last.Text}, {script.Constant weight}, {bias})"
                    script.Let $"torch.permute({y.Text}, [0, 3, 1, 2])")
        }

    /// A layer that has no tensors.
    let private simple (call: Tensor -> Tensor) (script: string -> string) = {
        Run = fresh (fun x _ -> call x)
        Script = Some(fun text x -> text.Let(script x.Text))
    }

    /// `overwrite` says that what the layer reads may be written over.
    let operation (weights: Weights) overwrite (plan: LayerPlan) : Operation =
        match plan.Layer with
        | Layer.Conv2d conv -> convolution weights plan conv
        | Layer.Linear _ -> linear weights plan
        | Layer.PixelLinear _ -> pixelLinear weights plan
        | Layer.BatchNorm2d _ -> batchNorm weights plan
        | Layer.Activation kind -> {
            Run = activate kind overwrite
            Script = Some(fun script x -> ActivationCall.write script kind x)
          }
        | Layer.GroupNorm(groups, epsilon) -> groupNorm weights plan groups epsilon
        | Layer.LayerNorm2d epsilon -> layerNorm weights plan epsilon
        | Layer.LayerScale _ -> layerScale weights plan
        | Layer.Dropout rate -> noise rate id
        | Layer.StochasticDepth rate -> noise rate (Array.mapi (fun place side -> if place = 0 then side else 1L))
        | Layer.MaxPool2d pool ->
            let kernel, stride, padding, dilation = pair pool.Kernel, pair pool.Stride, pair pool.Padding, pair 1

            simple (fun x -> F.max_pool2d (x, kernel, stride, padding, dilation, pool.Ceiling)) (fun x ->
                $"torch.max_pool2d({x}, {ScriptText.window pool}, [1, 1], {pool.Ceiling})")
        | Layer.AvgPool2d pool ->
            let kernel, stride, padding = pair pool.Kernel, pair pool.Stride, pair pool.Padding

            simple (fun x -> F.avg_pool2d (x, kernel, stride, padding, pool.Ceiling)) (fun x ->
                $"torch.avg_pool2d({x}, {ScriptText.window pool}, {pool.Ceiling}, True, None)")
        | Layer.AdaptiveAvgPool2d ->
            let size = pair 1
            simple (fun x -> F.adaptive_avg_pool2d (x, size)) (fun x -> $"torch.adaptive_avg_pool2d({x}, [1, 1])")
        | Layer.Flatten -> {
            Run = fresh (fun x _ -> x.flatten (1L, -1L))
            // It may be a view of what it was made from.
            Script = Some(fun script x -> { script.Let $"torch.flatten({x.Text}, 1, -1)" with Owned = false })
          }
