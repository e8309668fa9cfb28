namespace Hybrid

/// Tensors of one role in some layers, and where their gradients are gathered.
type internal Gathering = { Tensors: Tensor array; Gradients: Tensor array }

[<RequireQualifiedAccess>]
module internal Gathering =

    let ofLayers (weights: Weights) (layers: LayerPlan list) role : Gathering =
        let keys = [|
            for layer in layers do
                for spec in layer.Tensors do
                    if spec.Role = role then
                        spec.Key
        |]

        {
            Tensors = keys |> Array.map (fun key -> weights[key])
            Gradients = [|
                if role = Role.Weight || role = Role.Bias then
                    for key in keys do
                        weights.Gradient key
            |]
        }

    let add (into: Gathering) (gradient: Tensor) =
        match into.Gradients with
        | [||] -> ()
        | [| one |] -> Flow.addTo one gradient
        | several ->
            let parts = gradient.split (several |> Array.map (fun sum -> sum.shape[0]))

            for sum, part in Array.zip several parts do
                Flow.addTo sum part
                part.Dispose()

        gradient.Dispose()
