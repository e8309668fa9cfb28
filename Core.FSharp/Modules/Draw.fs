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

    /// Share of a normal distribution of deviation 1 below a number.
    let private below (number: float) =
        use _ = torch.NewDisposeScope()
        let number = torch.tensor (number / sqrt 2.0, dtype = System.Nullable torch.ScalarType.Float64)
        (1.0 + number.erf().item<float>()) / 2.0

    /// Where truncated normal distributions end.
    let private furthest = 2.0

    /// In PyTorch's order of operations, since the last bit counts.
    let private truncated std (generator: torch.Generator) (target: Tensor) =
        let low, high = 2.0 * below (-furthest / std) - 1.0, 2.0 * below (furthest / std) - 1.0

        target
            .uniform_(low, high, generator)
            .erfinv_()
            .mul_(scalar (std * sqrt 2.0))
            .add_(scalar 0.0)
            .clamp_(scalar -furthest, scalar furthest)

    let private redraw how (generator: torch.Generator) (layer: Layer) (dims: int list) : (Tensor -> Tensor) option =
        let normal std = Some(fun (target: Tensor) -> target.normal_ (0.0, std, generator))
        let outs = List.head dims

        match how, layer with
        | Redraw.Kept, _ -> None
        | Redraw.Normal std, _ -> normal std
        | Redraw.Kaiming(Fan.In, activation), _ -> normal (Initialisation.kaimingStd activation (fanIn dims))
        | Redraw.Kaiming(Fan.Out, activation), _ -> normal (Initialisation.kaimingStd activation (fanOut dims))
        | Redraw.KaimingOfGroup, Layer.Conv2d conv -> normal (sqrt (2.0 / float (fanOut dims / conv.Groups)))
        | Redraw.KaimingOfGroup, _ -> normal (sqrt (2.0 / float (fanOut dims)))
        | Redraw.TruncatedNormal std, _ -> Some(truncated std generator)
        | Redraw.UniformByOutputs, _ ->
            let bound = 1.0 / sqrt (float outs)
            Some(fun target -> target.uniform_ (-bound, bound, generator))

    /// The weight of a layer at a path once more, and its bias.
    let private again (redraws: Redraws) generator (weights: Weights) (path: string, layer: LayerPlan) =
        let redrawn usual =
            let how =
                redraws.Others
                |> List.tryFind (fun (segments, _) -> Initialisation.isAt segments path)
                |> Option.map snd
                |> Option.defaultValue usual

            for spec in layer.Tensors do
                match spec.Role with
                | Role.Weight -> redraw how generator layer.Layer spec.Dims |> Option.iter (fill weights[spec.Key])
                | Role.Bias when redraws.ZeroBiases -> fill weights[spec.Key] _.zero_()
                | _ -> ()

        match (Layers.facts layer.Layer).Kind with
        | LayerKind.Convolution -> redrawn redraws.Convolutions
        | LayerKind.Linear -> redrawn redraws.Linear
        | _ -> ()

    /// Draws every parameter anew; running statistics stay as they are.
    let initialise initialisation generator (weights: Weights) =
        let layers = [ for plan, layer in Plan.constructed weights.Plan -> plan.Path, layer ]
        layers |> List.iter (snd >> construct generator weights)

        let redrawn redraws = layers |> List.iter (again redraws generator weights)

        match initialisation with
        | Initialisation.PyTorch -> ()
        | Initialisation.KaimingNormal(fan, activation) ->
            redrawn {
                Convolutions = Redraw.Kaiming(fan, activation)
                Linear = Redraw.Kept
                ZeroBiases = false
                Others = []
            }
        | Initialisation.Redrawn redraws -> redrawn redraws
