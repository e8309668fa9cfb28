namespace Hybrid

open TorchSharp

/// Runs a part of a network on `x`. `owned` says that the caller has no more use for `x`: it is then released, or
/// written over, as soon as the part has read it. Gives `x` itself back where the part changes nothing.
type internal Run = delegate of x: Tensor * owned: bool * training: bool -> Tensor

/// Layers as calls of libtorch's operations.
module internal LayerForward =

    type private F = torch.nn.functional

    /// Lets go of `x`, unless it is one of the tensors that live on. TorchSharp's in-place operations give back the
    /// tensor that they were called on.
    let release (kept: Tensor list) (x: Tensor) =
        if not (kept |> List.exists (fun it -> obj.ReferenceEquals(it, x))) then
            x.Dispose()

    /// An operation that makes a new tensor: its input goes as soon as it is done.
    let private fresh (operation: Tensor -> bool -> Tensor) =
        Run(fun x owned training ->
            let y = operation x training

            if owned then
                x.Dispose()

            y)

    let private activate kind overwrite =
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
    let private tensor (weights: Weights) (layer: LayerPlan) role : Tensor | null =
        match layer.Tensors |> List.tryFind (fun spec -> spec.Role = role) with
        | Some spec -> weights[spec.Key]
        | None -> null

    let private batchNorm (weights: Weights) (layer: LayerPlan) =
        let tensor = tensor weights layer >> nonNull
        let weight, bias = tensor Role.Weight, tensor Role.Bias
        let mean, var = tensor Role.RunningMean, tensor Role.RunningVar
        let momentum, epsilon = BatchNorm2d.momentum, BatchNorm2d.epsilon
        fresh (fun x training -> F.batch_norm (x, mean, var, weight, bias, training, momentum, epsilon))

    /// Fewer input channels than this fill no vector of the processor.
    let private vector = 16

    /// A convolution of so many channels as a function of its input, weight and bias.
    /// For a strided 1×1 convolution of few channels the pixels that it reads are picked out first, which comes to the
    /// same numbers: oneDNN's own way (libtorch 2.10, AVX-512, channels last) writes outside its memory in the backward
    /// pass when the batch size is odd.
    let private plain (conv: Conv2d) channels : Tensor -> Tensor -> (Tensor | null) -> Tensor =
        let stride, padding, dilation = pair conv.Stride, pair conv.Padding, pair 1

        match conv with
        | { Kernel = 1; Padding = 0 } when conv.Stride > 1 && channels < vector ->
            fun x weight bias ->
                use picked = everyPixel conv.Stride x
                F.conv2d (picked, weight, bias, pair 1, padding, dilation, 1L)
        | _ -> fun x weight bias -> F.conv2d (x, weight, bias, stride, padding, dilation, 1L)

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

    /// `overwrite` says that what the layer reads may be written over.
    let layer (weights: Weights) overwrite (plan: LayerPlan) =
        let tensor = tensor weights plan

        match plan.Layer with
        | Layer.Conv2d conv ->
            let weight, bias = nonNull (tensor Role.Weight), tensor Role.Bias
            let convolve = convolve weights.Placement conv (int weight.shape[1])
            fresh (fun x _ -> convolve x weight bias)
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
        | Layer.Activation kind -> activate kind overwrite
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
