namespace Hybrid

open TorchSharp

/// Draws the first weights of a network. After `manual_seed` PyTorch's generator gives the same numbers, so the same
/// seed gives PyTorch's very weights.
[<RequireQualifiedAccess>]
module Draw =

    let private fanIn dims = dims |> List.tail |> List.fold (*) 1

    let private fanOut dims =
        match dims with
        | outs :: _ :: window -> outs * List.fold (*) 1 window
        | _ -> List.head dims

    /// Fills `target` from a tensor drawn in float32 on the CPU in PyTorch's memory order: the values must depend
    /// neither on the network's precision nor on its device or layout.
    let private fill (target: Tensor) (draw: Tensor -> Tensor) =
        use _ = torch.NewDisposeScope()
        use _ = torch.no_grad ()
        let drawn = draw (torch.empty (target.shape, dtype = System.Nullable torch.ScalarType.Float32))
        target.copy_ drawn |> ignore

    /// A layer's parameters as PyTorch's constructor leaves them.
    let private construct (generator: torch.Generator) (weights: Weights) (layer: LayerPlan) =
        for spec in layer.Tensors do
            match spec.First with
            | _ when not spec.IsParameter -> ()
            | FirstDraw.Constant value -> fill weights[spec.Key] _.fill_(scalar value)
            | FirstDraw.Uniform bound -> fill weights[spec.Key] _.uniform_(-bound, bound, generator)

    let private kaiming fan activation (generator: torch.Generator) (weights: Weights) (layer: LayerPlan) =
        match (Layers.facts layer.Layer).Kind, layer.Tensors with
        | LayerKind.Convolution, spec :: _ ->
            let fan =
                match fan with
                | Fan.In -> fanIn spec.Dims
                | Fan.Out -> fanOut spec.Dims

            fill weights[spec.Key] _.normal_(0.0, Initialisation.kaimingStd activation fan, generator)
        | _ -> ()

    /// Draws every parameter anew; running statistics stay as they are.
    let initialise initialisation generator (weights: Weights) =
        let layers = Plan.layers weights.Plan |> List.map snd
        layers |> List.iter (construct generator weights)

        match initialisation with
        | Initialisation.PyTorch -> ()
        | Initialisation.KaimingNormal(fan, activation) ->
            layers |> List.iter (kaiming fan activation generator weights)
