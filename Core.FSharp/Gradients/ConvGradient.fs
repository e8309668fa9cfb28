namespace Hybrid

open TorchSharp

/// Convolutions with their way back. All maps lie channels last on the CPU, in float32 or bfloat16.
module internal ConvGradient =

    open Patterns

    type private F = torch.nn.functional

    /// All tensors as one, by their outputs, in the precision that the network computes in.
    let private whole (placement: Placement) (tensors: Tensor array) : Tensor =
        let ofDType (tensor: Tensor) =
            if tensor.dtype = placement.DType then
                tensor.alias ()
            else
                tensor.``to`` placement.DType

        match tensors with
        | [| one |] -> ofDType one
        | several ->
            let joined = torch.cat (several, 0L)

            if joined.dtype = placement.DType then
                joined
            else
                use wide = joined
                ofDType wide

    /// A map seen as a matrix, pixels by channels.
    let private matrix (x: Tensor) =
        use pixels = x.permute (0L, 2L, 3L, 1L)
        pixels.reshape (-1L, x.shape[1])

    /// The matrix as a map of the size of `like`, but for the channels.
    let private image (like: Tensor) (rows: Tensor) =
        use pixels = rows.view (like.shape[0], like.shape[2], like.shape[3], -1L)
        pixels.permute (0L, 3L, 1L, 2L)

    /// A 1×1 convolution as a product of matrices.
    let private product (kernels: Gathering) (biases: Gathering) (x: Flow) (weight: Tensor) (bias: Tensor | null) =
        let rows = matrix x.Map
        let table = weight.flatten 1L
        use sums = F.linear (rows, table, bias)

        struct (Flow.free (image x.Map sums),
                Pullback(fun dy others ->
                    use dyRows = matrix dy.Map
                    use across = dyRows.t ()
                    use dw = across.matmul rows
                    Gathering.add kernels (dw.view weight.shape)

                    if biases.Gradients.Length > 0 then
                        Gathering.add biases (dyRows.sum 0L)

                    use dx = dyRows.matmul table
                    let dx = image x.Map dx
                    rows.Dispose()
                    table.Dispose()
                    weight.Dispose()
                    Flow.drop x
                    Flow.drop dy
                    Flow.joined (Flow.free dx) others))

    let private byLibtorch
        (conv: Conv2d)
        (kernels: Gathering)
        (biases: Gathering)
        wanted
        (x: Flow)
        (weight: Tensor)
        (bias: Tensor | null)
        =
        let stride, padding, dilation = ofSides conv.Stride, ofSides conv.Padding, ofSides conv.Dilation
        let y = F.conv2d (x.Map, weight, bias, stride, padding, dilation, int64 conv.Groups)
        let conv = { conv with Bias = biases.Gradients.Length > 0 }

        struct (Flow.free y,
                Pullback(fun dy others ->
                    let struct (dw, db, dx) = Backward.convolution conv wanted dy.Map x.Map weight
                    Gathering.add kernels dw
                    ValueOption.iter (Gathering.add biases) db
                    weight.Dispose()
                    Flow.drop dy

                    match dx with
                    | ValueSome dx ->
                        Flow.drop x
                        Flow.joined (Flow.free dx) others
                    // Nobody asked: whatever is at hand.
                    | ValueNone -> x))

    /// A 3×3 convolution with fewer multiplications than libtorch's.
    let private byWinograd
        (kernels: Gathering)
        (biases: Gathering)
        wanted
        (x: Flow)
        (weight: Tensor)
        (bias: Tensor | null)
        (into: Tensor | null)
        =
        let struct (x, read) = Flow.rows x
        use taps = weight.permute (0L, 2L, 3L, 1L)
        let table = taps.contiguous ()
        let outputs, size = weight.shape[0], x.Map.shape
        weight.Dispose()

        let y =
            match into with
            | null -> Flow.empty [| size[0]; outputs; size[2]; size[3] |] x.Map.dtype
            | into -> into

        let biasAt =
            match bias with
            | null -> 0n
            | bias -> Lanes.addressOf bias

        Winograd.convolve read (Lanes.addressOf table) biasAt (Rows.tryOf y).Value

        struct (Flow.free y,
                Pullback(fun dy others ->
                    let struct (dy, dyRows) = Flow.rows dy
                    let found = torch.empty_like table
                    Winograd.weightGradient read dyRows (Lanes.addressOf found)
                    Gathering.add kernels (found.permute (0L, 3L, 1L, 2L))
                    found.Dispose()

                    if biases.Gradients.Length > 0 then
                        Gathering.add biases (dy.Map.sum [| 0L; 2L; 3L |])

                    let dx =
                        if wanted then
                            let dx = Flow.empty size x.Map.dtype
                            let out = (Rows.tryOf dx).Value
                            Flow.reading others (Winograd.inputGradient dyRows (Lanes.addressOf table) out)
                            Flow.drop x
                            Flow.free dx
                        else
                            x

                    table.Dispose()
                    Flow.drop dy
                    dx))

    /// The pixels that a strided 1×1 convolution reads; the others have no gradient from it.
    let private picked step (x: Flow) =
        use some = everyPixel step x.Map
        let dense = Flow.empty some.shape some.dtype
        dense.copy_ some |> ignore
        let size, dtype = x.Map.shape, x.Map.dtype
        Flow.drop x

        struct (Flow.free dense,
                fun (dy: Flow) (others: Flow voption) ->
                    let all =
                        match others with
                        | ValueSome({ Free = true } as others) -> others
                        | _ ->
                            let zeros = Flow.empty size dtype
                            zeros.zero_ () |> ignore
                            Flow.joined (Flow.free zeros) others

                    use some = everyPixel step all.Map
                    Flow.addTo some dy.Map
                    Flow.drop dy
                    all)

    /// Fewer channels than this fill no vector of the processor.
    let private vector = 16

    /// One convolution, or several of the same form that read the same, side by side: `conv` has the channels of all. Where
    /// a norm follows, it takes off again what a bias adds, which then has no gradient: libtorch would add up all pixels
    /// to find rounding errors. A 1×1 convolution of few outputs is a product of matrices: oneDNN's gradient of its weight
    /// takes several times as long.
    let convolution (weights: Weights) (conv: Conv2d) layers normed wanted : ForwardPass =
        let kernels, biases =
            Gathering.ofLayers weights layers Role.Weight, Gathering.ofLayers weights layers Role.Bias

        let biases = if normed then { biases with Gradients = [||] } else biases
        let whole = whole weights.Placement

        let pointwise =
            match conv with
            | Pointwise step -> Some step
            | _ -> None

        let inputs = int kernels.Tensors[0].shape[1]

        let run (conv: Conv2d) (x: Flow) into =
            let weight = whole kernels.Tensors
            use bias = if conv.Bias then whole biases.Tensors else null

            if pointwise.IsSome && conv.Channels < vector then
                product kernels biases x weight bias
            elif Winograd.supports weights.Placement.DType conv inputs then
                byWinograd kernels biases wanted x weight bias into
            else
                byLibtorch conv kernels biases wanted x weight bias

        match pointwise with
        | Some step when step <> Sides.square 1 ->
            ForwardPass(fun x _ _ ->
                let struct (some, spread) = picked step x
                let struct (y, back) = run { conv with Stride = Sides.square 1 } some null
                struct (y, Pullback(fun dy others -> spread (back.Invoke(dy, ValueNone)) others)))
        | _ -> ForwardPass(fun x into _ -> run conv x into)
