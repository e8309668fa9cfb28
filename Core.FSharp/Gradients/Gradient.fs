namespace Hybrid

open TorchSharp

/// A plan's way forth in training together with its way back: what autograd would find, with the order of things known
/// beforehand. So norms, activations and sums go through memory once, gradients are added up where they are written, and
/// a map lives for as long as something will read it.
module internal Gradient =

    open Patterns
    open ConvGradient
    open LayerGradient
    open NormGradient

    /// What reads the output of a part.
    [<RequireQualifiedAccess>]
    type private ReadBy =
        /// A norm alone, which takes off again what a bias adds.
        | Norm
        | Others

    let private single (weights: Weights) readBy (out: Shape) (layer: LayerPlan) : Part =
        match layer.Layer with
        | Layer.Conv2d conv -> convolution weights conv [ layer ] (readBy = ReadBy.Norm)
        | Layer.Linear _ -> linear weights layer
        | Layer.BatchNorm2d _ -> normalise weights layer false
        | Layer.Activation kind when Backward.knows kind -> activation kind
        | Layer.MaxPool2d pool -> maxPool pool (Shape.dims out |> List.map int64)
        | Layer.AvgPool2d pool -> averagePool pool
        | Layer.AdaptiveAvgPool2d -> globalAveragePool
        | Layer.Flatten -> flatten
        // Right for any layer, so that a new one trains at once.
        | _ -> byAutograd weights layer

    let rec private chain (weights: Weights) readBy (plans: Plan list) : Part =
        plans |> parts weights readBy |> Part.sequence

    and private branch weights (plans: Plan list) : Part = chain weights ReadBy.Others plans

    and private parts weights readBy plans : Part list =
        match plans with
        | [] -> []
        | NormRelu(layer, rest) -> normalise weights layer true :: parts weights readBy rest
        | SumWithNorm(before, norm, shortcut) :: rest ->
            let relu, rest = takeRelu rest
            let body, shortcut = chain weights ReadBy.Norm before, branch weights shortcut
            Branches.pair body shortcut (normaliseInto weights norm relu) :: parts weights readBy rest
        | Fork(Join.Sum, branches) :: rest ->
            Branches.sum (List.map (branch weights) branches) :: parts weights readBy rest
        | Fork(Join.Product, branches) :: rest ->
            Branches.product (List.map (branch weights) branches) :: parts weights readBy rest
        | { Node = PlanNode.Fork(Join.Concat, branches) } as plan :: rest ->
            concat weights plan branches :: parts weights readBy rest
        | Layer layer as plan :: rest ->
            let readNext =
                match rest with
                | [] -> readBy
                | Norm _ :: _ -> ReadBy.Norm
                | _ -> ReadBy.Others

            single weights readNext plan.Out layer :: parts weights readBy rest
        | plan :: rest -> parts weights readBy (Plan.sequence plan @ rest)

    and private concat (weights: Weights) (plan: Plan) (branches: Plan list) : Part =
        let counts = [| for branch in branches -> int64 (Shape.channels branch.Out) |]
        let branches = List.map Plan.sequence branches
        let alone (place, plans) = Branches.one place (branch weights plans)

        let members =
            match Family.find branches with
            | Some family -> siblings weights family :: List.map alone family.Others
            | None -> branches |> List.indexed |> List.map alone

        let placement = weights.Placement
        // Features that a linear layer has made are in float32 whatever came before.
        let dtype = if plan.Out.IsImage then placement.DType else Placement.storage placement
        Branches.concat counts (Shape.dims plan.Out |> List.map int64) dtype members

    /// One convolution for several branches.
    and private siblings weights (family: Family) : ConcatMember =
        let channels = family.Siblings |> List.sumBy _.Channels
        let conv = { Conv2d.square 1 channels with Bias = family.Bias }
        let joint = convolution weights conv [ for sibling in family.Siblings -> sibling.Conv ] true

        [
            for sibling in family.Siblings do
                sibling.Place, int64 sibling.Channels, branch weights sibling.Rest
        ]
        |> Branches.siblings joint

    /// Whether networks at that place have a way back here; elsewhere autograd has to find it.
    let supports (placement: Placement) =
        placement.Device.``type`` = DeviceType.CPU
        && placement.Layout.IsChannelsLast
        && (placement.DType = torch.ScalarType.Float32 || placement.DType = torch.ScalarType.BFloat16)

    /// From a batch to what the network makes of it in training, and from the gradient of that back to the parameters'
    /// gradients, to which it is added. What is kept in between is the pass's tape's; the output is the caller's. Moves the
    /// running statistics.
    let compile (weights: Weights) : Pass -> Tensor -> struct (Tensor * (Tensor -> unit)) =
        let network = chain weights ReadBy.Others (Plan.sequence weights.Plan)

        fun pass x ->
            use _ = torch.no_grad ()
            let struct (y, back) = network.Run.Invoke(pass, pass.Tape.Lend(x.alias ()), ValueNone)

            struct (pass.Tape.HandOver y,
                    fun dy ->
                        use _ = torch.no_grad ()
                        back.Invoke(pass.Tape.Lend dy, Destination.Nowhere) |> ignore)
