namespace Hybrid

open System
open System.Runtime.InteropServices
open TorchSharp

/// Batch norms in training with their way back, together with what stands behind them.
module internal NormGradient =

    let private numbers (x: Tensor) = MemoryMarshal.Cast<byte, float32>(x.bytes).ToArray() |> Array.map float

    let private change (x: Tensor) (next: int -> float -> float) =
        let numbers = MemoryMarshal.Cast<byte, float32> x.bytes

        for place in 0 .. numbers.Length - 1 do
            numbers[place] <- float32 (next place (float numbers[place]))

    /// A batch as a norm has found it.
    [<NoComparison>]
    type private Measured = {
        Count: float
        Mean: float array
        /// One over the standard deviation.
        Scale: float array
        Line: Line
    }

    [<NoComparison>]
    type private Norm = {
        Settings: BatchNorm2d
        Weight: Tensor
        Bias: Tensor
        Mean: Tensor
        Var: Tensor
        WeightGradient: Tensor
        BiasGradient: Tensor
    }

    let private norm (weights: Weights) (layer: LayerPlan) : Norm =
        let key role = layer.Tensors |> List.find (fun spec -> spec.Role = role) |> _.Key

        {
            Settings = BatchNorm2d.ofLayer layer.Layer
            Weight = weights[key Role.Weight]
            Bias = weights[key Role.Bias]
            Mean = weights[key Role.RunningMean]
            Var = weights[key Role.RunningVar]
            WeightGradient = weights.Gradient(key Role.Weight)
            BiasGradient = weights.Gradient(key Role.Bias)
        }

    /// Measures a batch, and moves the running statistics towards it.
    let private measure (norm: Norm) (x: Rows) : Measured =
        let moments = NormKernel.moments x
        let count = float x.Count
        let weight, bias = numbers norm.Weight, numbers norm.Bias
        let scale = moments.Var |> Array.map (fun var -> 1.0 / sqrt (var + norm.Settings.Epsilon))
        let slope = Array.map2 (*) weight scale
        // The running variance estimates that of all images, hence one less to divide by.
        let unbiased = count / max 1.0 (count - 1.0)
        let share = norm.Settings.Momentum
        let towards (value: float) old = (1.0 - share) * old + share * value
        change norm.Mean (fun place -> towards moments.Mean[place])
        change norm.Var (fun place -> towards (unbiased * moments.Var[place]))

        {
            Count = count
            Mean = moments.Mean
            Scale = scale
            Line = {
                Scale = slope
                Shift = Array.map3 (fun bias mean slope -> bias - mean * slope) bias moments.Mean slope
            }
        }

    /// Adds up the gradients of the norm's own tensors, and writes that of `x`.
    let private gradient
        (norm: Norm)
        (at: Measured)
        (sums: float array * float array)
        mask
        (dy: Rows)
        (x: Held)
        (rows: Rows)
        (destination: Destination)
        : Held voption =
        let total, product = sums
        change norm.BiasGradient (fun place sum -> sum + total[place])
        change norm.WeightGradient (fun place sum -> sum + product[place] * at.Scale[place])

        let slope = at.Line.Scale
        // dx = slope · (dy − mean dy − (x − mean) · scale² · mean of dy · (x − mean)), as a line in x.
        let tilt =
            Array.map3 (fun slope scale product -> -slope * scale * scale * product / at.Count) slope at.Scale product

        let line = {
            Scale = tilt
            Shift =
                Array.init tilt.Length (fun place ->
                    -slope[place] * total[place] / at.Count - tilt[place] * at.Mean[place])
        }

        destination
        |> Destination.write x (fun out added -> NormKernel.gradient slope line mask out dy rows added)

    let private floor relu = if relu then 0.0f else Single.NegativeInfinity

    /// A norm, and the ReLU behind it. Nothing of the output is needed on the way back: where it was positive follows from
    /// the input.
    let normalise (weights: Weights) layer relu : Part =
        let norm = norm weights layer

        Part.writing Adding.InPassing (fun pass x place ->
            let struct (x, rows) = Held.rows x
            let measured = measure norm rows

            let y =
                match place with
                | ValueNone -> pass.Tape.Empty(x.Tensor.shape, x.Tensor.dtype)
                | ValueSome place -> place

            NormKernel.apply measured.Line (floor relu) (Rows.tryOf y.Tensor).Value rows ValueNone
            let line = if relu then ValueSome measured.Line else ValueNone
            let mask = if relu then Mask.Line measured.Line else Mask.None

            struct (y,
                    Pullback(fun dy destination ->
                        let struct (dy, dyRows) = Held.rows dy
                        let sums = NormKernel.sumGradient measured.Mean mask dyRows rows
                        let dx = gradient norm measured sums line dyRows x rows destination
                        dy.Release()
                        dx)))

    /// A norm of `x`, the sum with a shortcut, and the ReLU behind that. On the way back: the gradient of `x`, and that of
    /// the shortcut.
    let normaliseInto (weights: Weights) layer relu =
        let norm = norm weights layer

        fun (pass: Pass) (x: Held) (shortcut: Held) ->
            let struct (x, rows) = Held.rows x
            let struct (shortcut, added) = Held.rows shortcut
            let measured = measure norm rows
            let y = pass.Tape.Empty(x.Tensor.shape, x.Tensor.dtype)
            let out = (Rows.tryOf y.Tensor).Value
            NormKernel.apply measured.Line (floor relu) out rows (ValueSome added)
            shortcut.Release()

            /// Of `x`, from the gradient of the sum.
            let gradientOfX mask sum (sumRows: Rows) =
                let sums = NormKernel.sumGradient measured.Mean mask sum rows

                (gradient norm measured sums ValueNone sumRows x rows Destination.Fresh).Value

            if relu then
                let seen = y.Share()

                let back (dy: Held) =
                    let struct (dy, dyRows) = Held.rows dy
                    let passed = pass.Tape.Empty(dy.Tensor.shape, dy.Tensor.dtype)
                    let passedRows = (Rows.tryOf passed.Tensor).Value
                    // Writes what has passed the ReLU besides.
                    let dx = gradientOfX (Mask.Output(out, passedRows)) dyRows passedRows
                    Held.release [ seen; dy ]
                    struct (dx, passed)

                struct (y, back)
            else
                let back (dy: Held) =
                    let struct (dy, dyRows) = Held.rows dy
                    struct (gradientOfX Mask.None dyRows dyRows, dy)

                struct (y, back)
