namespace Hybrid

/// Parts of a plan, and neighbours that those who run networks treat together. A list of plans stands for parts that
/// follow one another, as `Plan.sequence` gives them.
module internal Patterns =

    let (|Layer|_|) (plan: Plan) =
        match plan.Node with
        | PlanNode.Layer layer -> Some layer
        | _ -> None

    let (|Conv|_|) plan =
        match plan with
        | Layer({ Layer = Layer.Conv2d conv } as layer) -> Some(conv, layer)
        | _ -> None

    /// A batch norm.
    let (|Norm|_|) plan =
        match plan with
        | Layer({ Layer = Layer.BatchNorm2d _ } as layer) -> Some layer
        | _ -> None

    let (|Act|_|) plan =
        match plan with
        | Layer { Layer = Layer.Activation kind } -> Some kind
        | _ -> None

    /// A fork, its branches as sequences.
    let (|Fork|_|) (plan: Plan) =
        match plan.Node with
        | PlanNode.Fork(join, branches) -> Some(join, List.map Plan.sequence branches)
        | _ -> None

    /// A convolution that reads single pixels, every `stride`-th of them, and makes each output of all channels. Whatever
    /// else a convolution may be set to, this one is not.
    let (|Pointwise|_|) (conv: Conv2d) =
        if conv = { Conv2d.square 1 conv.Channels with Stride = conv.Stride; Bias = conv.Bias } then
            Some conv.Stride
        else
            None

    /// An activation at the front, where there is one, and what is behind it.
    let takeActivation plans =
        match plans with
        | Act kind :: rest -> Some kind, rest
        | rest -> None, rest

    /// All norms at the front, and what is behind them.
    let rec takeNorms plans =
        match plans with
        | Norm norm :: rest ->
            let norms, rest = takeNorms rest
            norm :: norms, rest
        | rest -> [], rest

    /// Whether a ReLU is at the front, and what is behind it.
    let takeRelu plans =
        match plans with
        | Act Activation.Relu :: rest -> true, rest
        | rest -> false, rest

    /// A norm with ReLU behind it, and the rest.
    let (|NormRelu|_|) plans =
        match plans with
        | Norm norm :: Act Activation.Relu :: rest -> Some(norm, rest)
        | _ -> None

    /// What comes before the norm in which it ends, and the norm.
    let private endsInNorm plans =
        match List.rev plans with
        | Norm norm :: before -> Some(List.rev before, norm)
        | _ -> None

    /// A sum of two, of which one ends in a norm: what comes before the norm, the norm, and the other one.
    let (|SumWithNorm|_|) plan =
        match plan with
        | Fork(Join.Sum, [ a; b ]) ->
            match endsInNorm a, endsInNorm b with
            | Some(before, norm), _ -> Some(before, norm, b)
            | _, Some(before, norm) -> Some(before, norm, a)
            | _ -> None
        | _ -> None

    /// A convolution at the end, or one with nothing but norms behind it: what comes before, the convolution, the norms.
    let (|EndsInConv|_|) (plans: Plan list) =
        let norms, before = plans |> List.rev |> takeNorms

        match before with
        | Conv(conv, layer) :: before -> Some(List.rev before, conv, layer, List.rev norms)
        | _ -> None
