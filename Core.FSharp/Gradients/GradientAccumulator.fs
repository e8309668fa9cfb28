namespace Hybrid

/// The parameters of one role in some layers, and the sums that their gradients are added to. Without sums where nobody
/// asks for those gradients.
type internal GradientAccumulator = { Parameters: Tensor array; Sums: Tensor array }

[<RequireQualifiedAccess>]
module internal GradientAccumulator =

    let ofLayers (weights: Weights) (layers: LayerPlan list) role : GradientAccumulator =
        let keys = [|
            for layer in layers do
                for spec in layer.Tensors do
                    if spec.Role = role then
                        spec.Key
        |]

        {
            Parameters = keys |> Array.map (fun key -> weights[key])
            Sums = keys |> Array.map weights.Gradient
        }

    /// The same parameters, whose gradients nobody asks for.
    let unasked (accumulator: GradientAccumulator) = { accumulator with Sums = [||] }

    let isAsked (accumulator: GradientAccumulator) = accumulator.Sums.Length > 0

    /// Adds the gradient of all parameters side by side, and disposes it.
    let add (accumulator: GradientAccumulator) (gradient: Tensor) =
        use gradient = gradient

        match accumulator.Sums with
        | [||] -> ()
        | [| one |] -> Held.addTo one gradient
        | several ->
            let parts = gradient.split (several |> Array.map (fun sum -> sum.shape[0]))

            for sum, part in Array.zip several parts do
                Held.addTo sum part
                part.Dispose()
