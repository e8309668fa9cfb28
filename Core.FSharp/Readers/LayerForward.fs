namespace Hybrid

open TorchSharp

/// Runs a part of a network on `x`. `owned` says that the caller has no more use for `x`: it is then released, or
/// written over, as soon as the part has read it. Gives `x` itself back where the part changes nothing.
type internal Run = delegate of x: Tensor * owned: bool * training: bool -> Tensor

/// What surrounds a part of a network.
type internal Surroundings = {
    /// What the part reads may be written over, since no backward pass needs it.
    Overwrite: bool
    /// A batch norm reads what the part gives, and nothing else does.
    Normed: bool
}

/// Layers as calls of libtorch's operations.
module internal LayerForward =

    type private F = torch.nn.functional

    /// Lets go of `x`, unless it is one of the tensors that live on. TorchSharp's in-place operations give back the
    /// tensor that they were called on.
    let release (kept: Tensor list) (x: Tensor) =
        if not (kept |> List.exists (fun it -> obj.ReferenceEquals(it, x))) then
            x.Dispose()

    let private pair (side: int) = [| int64 side; int64 side |]

    /// An operation that makes a new tensor: its input goes as soon as it is done.
    let private fresh (operation: Tensor -> bool -> Tensor) =
        Run(fun x owned training ->
            let y = operation x training

            if owned then
                x.Dispose()

            y)

    let activate kind overwrite =
        let apply, applyInPlace =
            match kind with
            | Activation.Relu -> (fun (x: Tensor) -> x.relu ()), Some(fun (x: Tensor) -> x.relu_ ())
            | Activation.Tanh -> (fun (x: Tensor) -> x.tanh ()), Some(fun (x: Tensor) -> x.tanh_ ())
            | Activation.LeakyRelu ->
                (fun (x: Tensor) -> F.leaky_relu (x, 0.01)), Some(fun (x: Tensor) -> x.leaky_relu_ 0.01)
            | Activation.Gelu -> (fun (x: Tensor) -> F.gelu x), None

        match applyInPlace with
        | Some applyInPlace when overwrite ->
            Run(fun x owned _ ->
                if owned then
                    let y = applyInPlace x
                    release [ y ] x
                    y
                else
                    apply x)
        | _ -> fresh (fun x _ -> apply x)

    /// A layer's tensor of some role, where it has one.
    let tensor (weights: Weights) (layer: LayerPlan) role : Tensor | null =
        match layer.Tensors |> List.tryFind (fun spec -> spec.Role = role) with
        | Some spec -> weights[spec.Key]
        | None -> null

    /// Momentum and epsilon are PyTorch's defaults, which the published networks keep.
    let normalise (x: Tensor) (mean: Tensor) (var: Tensor) (weight: Tensor) (bias: Tensor) training =
        F.batch_norm (x, mean, var, weight, bias, training, 0.1, 1e-5)

    let private batchNorm (weights: Weights) (layer: LayerPlan) =
        let tensor = tensor weights layer >> nonNull
        let weight, bias = tensor Role.Weight, tensor Role.Bias
        let mean, var = tensor Role.RunningMean, tensor Role.RunningVar
        fresh (fun x training -> normalise x mean var weight bias training)

    /// Fewer input channels than this fill no vector of the processor.
    let private vector = 16

    /// A 1×1 convolution as a product of matrices: pixels by channels.
    let private product (x: Tensor) (weight: Tensor) (bias: Tensor | null) =
        use pixels = x.permute (0L, 2L, 3L, 1L)
        use rows = pixels.reshape (-1L, x.shape[1])
        use matrix = weight.reshape (weight.shape[0], -1L)
        use sums = F.linear (rows, matrix, bias)
        use image = sums.view (x.shape[0], x.shape[2], x.shape[3], -1L)
        image.permute (0L, 3L, 1L, 2L)

    /// A convolution of so many channels as a function of its input, weight and bias.
    /// For a strided 1×1 convolution of few channels the pixels that it reads are picked out first, which comes to the
    /// same numbers: oneDNN's own way (libtorch 2.10, AVX-512, channels last) writes outside its memory in the backward
    /// pass when the batch size is odd. Where a 1×1 convolution has few outputs, the gradient of its weight takes oneDNN
    /// several times as long as the product of matrices that it is.
    let private plain (placement: Placement) (conv: Conv2d) channels : Tensor -> Tensor -> (Tensor | null) -> Tensor =
        let stride, padding, dilation = pair conv.Stride, pair conv.Padding, pair 1

        match conv with
        | { Kernel = 1; Padding = 0 } when conv.Stride > 1 && channels < vector ->
            let step, unit = int64 conv.Stride, pair 1

            fun x weight bias ->
                use rows = x.slice (2L, 0L, x.shape[2], step)
                use picked = rows.slice (3L, 0L, x.shape[3], step)
                F.conv2d (picked, weight, bias, unit, padding, dilation, 1L)
        | { Kernel = 1; Stride = 1; Padding = 0 } when conv.Channels < vector && placement.Layout.IsChannelsLast ->
            product
        | _ -> fun x weight bias -> F.conv2d (x, weight, bias, stride, padding, dilation, 1L)

    /// A convolution of so many channels in the precision that the network computes in. Where a batch norm reads its
    /// output, that norm takes off again in training whatever the bias adds, so that the bias has no gradient: libtorch
    /// would add up all pixels to find rounding errors.
    let convolve (placement: Placement) conv channels normed =
        let plain = plain placement conv channels
        let dtype = placement.DType
        // The contiguous layout is for comparing with PyTorch, rounding errors included.
        let constant = normed && placement.Layout.IsChannelsLast

        fun (x: Tensor) (weight: Tensor) (bias: Tensor | null) training ->
            use _ = torch.NewDisposeScope()

            let bias: Tensor | null =
                match bias with
                | null -> null
                | bias when constant && training -> bias.detach().``to`` dtype
                | bias -> bias.``to`` dtype

            (plain x (weight.``to`` dtype) bias).MoveToOuterDisposeScope()

    /// A layer in its surroundings.
    let layer (weights: Weights) (around: Surroundings) (plan: LayerPlan) =
        let tensor = tensor weights plan

        match plan.Layer with
        | Layer.Conv2d conv ->
            let weight, bias = nonNull (tensor Role.Weight), tensor Role.Bias
            let convolve = convolve weights.Placement conv (int weight.shape[1]) around.Normed
            fresh (fun x training -> convolve x weight bias training)
        | Layer.Linear _ ->
            let weight, bias = nonNull (tensor Role.Weight), tensor Role.Bias
            let dtype = Placement.storage weights.Placement

            if dtype = weights.Placement.DType then
                fresh (fun x _ -> F.linear (x, weight, bias))
            else
                // The last sums of a network are in float32 whatever came before.
                fresh (fun x _ ->
                    use wide = x.``to`` dtype
                    F.linear (wide, weight, bias))
        | Layer.BatchNorm2d -> batchNorm weights plan
        | Layer.Activation kind -> activate kind around.Overwrite
        | Layer.MaxPool2d pool ->
            let kernel, stride, padding, dilation = pair pool.Kernel, pair pool.Stride, pair pool.Padding, pair 1
            fresh (fun x _ -> F.max_pool2d (x, kernel, stride, padding, dilation, false))
        | Layer.AvgPool2d pool ->
            let kernel, stride, padding = pair pool.Kernel, pair pool.Stride, pair pool.Padding
            fresh (fun x _ -> F.avg_pool2d (x, kernel, stride, padding))
        | Layer.AdaptiveAvgPool2d ->
            let size = pair 1
            fresh (fun x _ -> F.adaptive_avg_pool2d (x, size))
        | Layer.Flatten -> fresh (fun x _ -> x.flatten (1L, -1L))
