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

    /// The tensors of some convolutions in one pass, in the precision that the network computes in. The bias is there on the
    /// way forth alone.
    [<NoComparison>]
    type private ConvTensors = {
        Kernels: GradientAccumulator
        Biases: GradientAccumulator
        Weight: Held
        Bias: Tensor | null
    }

    /// A 1×1 convolution as a product of matrices.
    let private product (tensors: ConvTensors) (pass: Pass) (x: Held) : struct (Held * Pullback) =
        let weight = tensors.Weight
        let rows = x.View(matrix x.Tensor)
        let table = weight.View(weight.Tensor.flatten 1L)
        use sums = F.linear (rows.Tensor, table.Tensor, tensors.Bias)

        struct (pass.Tape.Hold(image x.Tensor sums),
                Pullback(fun dy destination ->
                    use dyRows = matrix dy.Tensor
                    use across = dyRows.t ()
                    use dw = across.matmul rows.Tensor
                    GradientAccumulator.add tensors.Kernels (dw.view weight.Tensor.shape)

                    if GradientAccumulator.isAsked tensors.Biases then
                        GradientAccumulator.add tensors.Biases (dyRows.sum 0L)

                    let gradient () =
                        use dx = dyRows.matmul table.Tensor
                        pass.Tape.Hold(image x.Tensor dx)

                    Destination.putNew [ rows; table; weight; x; dy ] gradient destination))

    let private byLibtorch (conv: Conv2d) (tensors: ConvTensors) (pass: Pass) (x: Held) : struct (Held * Pullback) =
        let weight = tensors.Weight
        let padding = ofSides (snd (Padding.divide conv))
        let stride, dilation = ofSides conv.Stride, ofSides conv.Dilation

        let y = F.conv2d (x.Tensor, weight.Tensor, tensors.Bias, stride, padding, dilation, int64 conv.Groups)

        let conv = { conv with Bias = GradientAccumulator.isAsked tensors.Biases }

        struct (pass.Tape.Hold y,
                Pullback(fun dy destination ->
                    let asked = not destination.IsNowhere

                    let struct (dw, db, dx) = Backward.convolution conv asked dy.Tensor x.Tensor weight.Tensor

                    let dx = ValueOption.map pass.Tape.Hold dx
                    GradientAccumulator.add tensors.Kernels dw
                    ValueOption.iter (GradientAccumulator.add tensors.Biases) db
                    Held.release [ weight; dy; x ]
                    dx |> ValueOption.bind (fun dx -> Destination.put dx destination)))

    /// A 3×3 convolution with fewer multiplications than libtorch's.
    let private byWinograd
        (tensors: ConvTensors)
        (pass: Pass)
        (x: Held)
        (place: Held voption)
        : struct (Held * Pullback) =
        let tape = pass.Tape
        let struct (x, read) = Held.rows x
        use taps = tensors.Weight.Tensor.permute (0L, 2L, 3L, 1L)
        let table = tape.Lend(taps.contiguous ())
        let tableAt = Lanes.addressOf table.Tensor
        let outputs, size = tensors.Weight.Tensor.shape[0], x.Tensor.shape
        tensors.Weight.Release()

        let y =
            match place with
            | ValueNone -> tape.Empty([| size[0]; outputs; size[2]; size[3] |], x.Tensor.dtype)
            | ValueSome place -> place

        let biasAt =
            match tensors.Bias with
            | null -> 0n
            | bias -> Lanes.addressOf bias

        Winograd.convolve read tableAt biasAt (Rows.tryOf y.Tensor).Value

        struct (y,
                Pullback(fun dy destination ->
                    let struct (dy, dyRows) = Held.rows dy
                    use dw = torch.empty_like table.Tensor
                    Winograd.weightGradient read dyRows (Lanes.addressOf dw)
                    GradientAccumulator.add tensors.Kernels (dw.permute (0L, 3L, 1L, 2L))

                    if GradientAccumulator.isAsked tensors.Biases then
                        GradientAccumulator.add tensors.Biases (dy.Tensor.sum [| 0L; 2L; 3L |])

                    let dx = destination |> Destination.write x (Winograd.inputGradient dyRows tableAt)
                    Held.release [ table; dy ]
                    dx))

    /// A convolution of the pixels that a strided 1×1 convolution reads; the others have no gradient from it.
    let private ofPicked step (convolve: Pass -> Held -> struct (Held * Pullback)) : Part =
        Part.giving Adding.ToSomePixels (fun pass x ->
            let some = (use some = everyPixel step x.Tensor in Held.dense pass.Tape some)
            let size, dtype = x.Tensor.shape, x.Tensor.dtype
            x.Release()
            let struct (y, back) = convolve pass some

            let spread (gradient: Held) (all: Held) =
                use some = everyPixel step all.Tensor
                Held.addTo some gradient.Tensor
                gradient.Release()
                all

            struct (y,
                    Pullback(fun dy destination ->
                        match destination with
                        | Destination.Nowhere -> back.Invoke(dy, Destination.Nowhere)
                        | Destination.AddedTo sum when sum.IsAlone ->
                            ValueSome(spread (back.Invoke(dy, Destination.Fresh).Value) sum)
                        | _ ->
                            let gradient = back.Invoke(dy, Destination.Fresh).Value
                            let zeros = pass.Tape.Empty(size, dtype)
                            zeros.Tensor.zero_ () |> ignore
                            Destination.put (spread gradient zeros) destination)))

    /// Fewer channels than this fill no vector of the processor.
    let private vector = 16

    /// Zeros around a map. On the way back those of the gradient go.
    let private pad (it: Margins) : Part =
        let inside (whole: Tensor) (size: int64 array) =
            use rows = whole.narrow (2L, int64 it.Top, size[2])
            rows.narrow (3L, int64 it.Left, size[3])

        Part.giving Adding.Afterwards (fun pass x ->
            let size, dtype = x.Tensor.shape, x.Tensor.dtype
            let height = size[2] + int64 (it.Top + it.Bottom)
            let width = size[3] + int64 (it.Left + it.Right)
            let whole = pass.Tape.Empty([| size[0]; size[1]; height; width |], dtype)
            whole.Tensor.zero_ () |> ignore
            (use place = inside whole.Tensor size in place.copy_ x.Tensor |> ignore)
            x.Release()

            struct (whole,
                    Pullback(fun dy destination ->
                        let gradient () = (use part = inside dy.Tensor size in Held.dense pass.Tape part)
                        Destination.putNew [ dy ] gradient destination)))

    /// One convolution, or several of the same form that read the same, side by side: `conv` has the channels of all. Where
    /// a norm follows, it takes off again what a bias adds, which then has no gradient: libtorch would add up all pixels
    /// to find rounding errors. A 1×1 convolution of few outputs is a product of matrices: oneDNN's gradient of its weight
    /// takes several times as long.
    let rec convolution (weights: Weights) (conv: Conv2d) layers normed : Part =
        match Padding.divide conv with
        | Some margins, _ -> Part.sequence [ pad margins; convolution weights (Padding.without conv) layers normed ]
        | None, _ -> evenlyPadded weights conv layers normed

    and private evenlyPadded (weights: Weights) (conv: Conv2d) layers normed : Part =
        let kernels = GradientAccumulator.ofLayers weights layers Role.Weight
        let biases = GradientAccumulator.ofLayers weights layers Role.Bias
        let asked = if normed then GradientAccumulator.unasked biases else biases
        let placement = weights.Placement
        let inputs = int kernels.Parameters[0].shape[1]

        let isProduct, step =
            match conv with
            | Pointwise step -> conv.Channels < vector, step
            | _ -> false, Sides.square 1

        /// Hands on what has to be done with the tensors of this pass.
        let withTensors (pass: Pass) (work: ConvTensors -> struct (Held * Pullback)) =
            use bias = if conv.Bias then whole placement biases.Parameters else null

            work {
                Kernels = kernels
                Biases = asked
                // May be the parameter itself.
                Weight = pass.Tape.Lend(whole placement kernels.Parameters)
                Bias = bias
            }

        let dense (conv: Conv2d) pass x =
            withTensors pass (fun tensors ->
                if isProduct then product tensors pass x else byLibtorch conv tensors pass x)

        if step <> Sides.square 1 then
            ofPicked step (dense { conv with Stride = Sides.square 1 })
        elif not isProduct && Winograd.supports placement.DType conv inputs then
            Part.writing Adding.Afterwards (fun pass x place ->
                withTensors pass (fun tensors -> byWinograd tensors pass x place))
        else
            Part.giving Adding.Afterwards (dense conv)
