namespace Hybrid

open System
open System.Runtime.Intrinsics
open TorchSharp

/// Of each channel of a map, over all pixels of a batch.
type internal Moments = { Mean: float array; Var: float array }

/// What each channel is multiplied by, and what is then added.
type internal Line = { Scale: float array; Shift: float array }

/// Where a gradient passes.
[<RequireQualifiedAccess>]
type internal Mask =
    | None
    /// Where the line through what the norm has read is positive: what its ReLU has let through.
    | Line of Line
    /// Where the output is positive. What passes is written to `passed`.
    | Output of output: Rows * passed: Rows

/// Batch norm over maps that lie channels last, with what stands around it in a network: the sum with a shortcut, the
/// ReLU and the sum of other readers' gradients, each in the same pass over memory. It is the passes that cost.
///
/// Of each channel, with mean μ and variance σ² over all pixels of the batch and x̂ = (x − μ) / √(σ² + ε):
/// y = γ x̂ + β, and backwards dx = γ / √(σ² + ε) · (dy − mean(dy) − x̂ · mean(dy · x̂)), dγ = Σ dy · x̂, dβ = Σ dy.
/// Forward that is one line in x, backward one in dy and x. Ioffe and Szegedy, "Batch Normalization", 2015.
[<RequireQualifiedAccess>]
module internal NormKernel =

    let private spread (wide: Wide) (numbers: float array) = Lanes.perChannel wide.Channels numbers

    let inline private scaled scaleAt shiftAt place (numbers: Vector256<float32>) =
        Vector256.FusedMultiplyAdd(numbers, Lanes.at scaleAt place, Lanes.at shiftAt place)

    /// Numbers where `test` is positive, zero elsewhere.
    let inline private where (test: Vector256<float32>) (numbers: Vector256<float32>) =
        Vector256.BitwiseAnd(numbers, Vector256.GreaterThan(test, Vector256<float32>.Zero))

    let private momentsOf<'L when 'L: struct and 'L :> ILanes> (wide: Wide) (x: Rows) : Moments =
        // Squares of differences from some pixel rather than from zero, so that little is lost where the mean is large.
        let origin =
            Array.init x.Channels (fun place ->
                let first = x.Address + nativeint (place * x.Bytes)
                float (if x.Bytes = 2 then Lanes.load<BFloats1> first else Lanes.load<Singles1> first).[0])

        let origins, originAt = spread wide origin

        let first, second =
            Passes.sums<'L> x.Channels wide (fun x _ _ _ place ->
                let apart = Lanes.load<'L> x - Lanes.at originAt place
                struct (apart, apart * apart))

        GC.KeepAlive origins
        let count = float x.Count
        let apart = first |> Array.map (fun sum -> sum / count)

        {
            Mean = Array.map2 (+) origin apart
            Var = Array.map2 (fun sum apart -> max 0.0 (sum / count - apart * apart)) second apart
        }

    let private applyTo<'L when 'L: struct and 'L :> ILanes> wide line (floor: float32) (shortcut: bool) =
        let least = Vector256.Create floor

        let scale, scaleAt = spread wide line.Scale
        let shift, shiftAt = spread wide line.Shift

        if shortcut then
            Passes.each<'L> wide (fun y x shortcut _ place ->
                let sum = scaled scaleAt shiftAt place (Lanes.load<'L> x) + Lanes.load<'L> shortcut
                Lanes.store<'L> y (Vector256.MaxNative(least, sum)))
        else
            Passes.each<'L> wide (fun y x _ _ place ->
                let normal = scaled scaleAt shiftAt place (Lanes.load<'L> x)
                Lanes.store<'L> y (Vector256.MaxNative(least, normal)))

        GC.KeepAlive((scale, shift))

    let private gradientSums<'L when 'L: struct and 'L :> ILanes> wide channels mean mask =
        match mask with
        | Mask.None ->
            let mean, meanAt = spread wide mean

            let found =
                Passes.sums<'L> channels wide (fun dy x _ _ place ->
                    let gradient = Lanes.load<'L> dy
                    struct (gradient, gradient * (Lanes.load<'L> x - Lanes.at meanAt place)))

            GC.KeepAlive mean
            found
        | Mask.Line line ->
            let mean, meanAt = spread wide mean
            let scale, scaleAt = spread wide line.Scale
            let shift, shiftAt = spread wide line.Shift

            let found =
                Passes.sums<'L> channels wide (fun dy x _ _ place ->
                    let numbers = Lanes.load<'L> x
                    let gradient = Lanes.load<'L> dy |> where (scaled scaleAt shiftAt place numbers)
                    struct (gradient, gradient * (numbers - Lanes.at meanAt place)))

            GC.KeepAlive((mean, scale, shift))
            found
        | Mask.Output _ ->
            let mean, meanAt = spread wide mean

            let found =
                Passes.sums<'L> channels wide (fun dy x y passed place ->
                    let gradient = Lanes.load<'L> dy |> where (Lanes.load<'L> y)
                    Lanes.store<'L> passed gradient
                    struct (gradient, gradient * (Lanes.load<'L> x - Lanes.at meanAt place)))

            GC.KeepAlive mean
            found

    let private gradientTo<'L when 'L: struct and 'L :> ILanes> wide slope line mask others =
        let slope, slopeAt = spread wide slope
        let scale, scaleAt = spread wide line.Scale
        let shift, shiftAt = spread wide line.Shift

        /// What the mean and the variance of the batch take back is a line in `x`.
        let inline gradient place (dy: Vector256<float32>) x =
            Vector256.FusedMultiplyAdd(dy, Lanes.at slopeAt place, scaled scaleAt shiftAt place x)

        match mask with
        | ValueNone ->
            if others then
                Passes.each<'L> wide (fun dx dy x others place ->
                    let own = gradient place (Lanes.load<'L> dy) (Lanes.load<'L> x)
                    Lanes.store<'L> dx (own + Lanes.load<'L> others))
            else
                Passes.each<'L> wide (fun dx dy x _ place ->
                    Lanes.store<'L> dx (gradient place (Lanes.load<'L> dy) (Lanes.load<'L> x)))
        | ValueSome mask ->
            let maskScale, maskScaleAt = spread wide mask.Scale
            let maskShift, maskShiftAt = spread wide mask.Shift

            if others then
                Passes.each<'L> wide (fun dx dy x others place ->
                    let numbers = Lanes.load<'L> x
                    let dy = Lanes.load<'L> dy |> where (scaled maskScaleAt maskShiftAt place numbers)
                    Lanes.store<'L> dx (gradient place dy numbers + Lanes.load<'L> others))
            else
                Passes.each<'L> wide (fun dx dy x _ place ->
                    let numbers = Lanes.load<'L> x
                    let dy = Lanes.load<'L> dy |> where (scaled maskScaleAt maskShiftAt place numbers)
                    Lanes.store<'L> dx (gradient place dy numbers))

            GC.KeepAlive((maskScale, maskShift))

        GC.KeepAlive((slope, scale, shift))

    let private withMaps maps (work: Wide -> ILanesWork<'T>) =
        let wide = Wide.make maps
        Wide.choose wide (work wide)

    /// Mean and variance (divided by the count) of each channel.
    let moments (x: Rows) : Moments =
        withMaps [| x |] (fun wide -> {
            new ILanesWork<_> with
                member _.On<'L when 'L: struct and 'L :> ILanes>() = momentsOf<'L> wide x
        })

    /// Writes `y`: the line through `x`, and the shortcut where there is one, cut off at `floor`.
    let apply line floor (y: Rows) (x: Rows) (shortcut: Rows voption) =
        withMaps [| y; x; yield! ValueOption.toArray shortcut |] (fun wide -> {
            new ILanesWork<_> with
                member _.On<'L when 'L: struct and 'L :> ILanes>() =
                    applyTo<'L> wide line floor shortcut.IsSome
                    y
        })
        |> ignore

    /// Of each channel the sum of the gradient that passes the mask, and of its product with what `x` is above `mean`.
    let sumGradient mean mask (dy: Rows) (x: Rows) : float array * float array =
        let maps =
            match mask with
            | Mask.Output(y, passed) -> [| dy; x; y; passed |]
            | Mask.None
            | Mask.Line _ -> [| dy; x |]

        withMaps maps (fun wide -> {
            new ILanesWork<_> with
                member _.On<'L when 'L: struct and 'L :> ILanes>() = gradientSums<'L> wide x.Channels mean mask
        })

    /// Writes `dx`, which may be the memory of `x` or of `others`: what passes the mask of `dy` times `slope`, the line through `x`, and
    /// the sum of other readers' gradients.
    let gradient slope line mask (dx: Rows) (dy: Rows) (x: Rows) (others: Rows voption) =
        withMaps [| dx; dy; x; yield! ValueOption.toArray others |] (fun wide -> {
            new ILanesWork<_> with
                member _.On<'L when 'L: struct and 'L :> ILanes>() =
                    gradientTo<'L> wide slope line mask others.IsSome
                    dx
        })
        |> ignore
