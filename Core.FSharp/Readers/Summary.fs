namespace Hybrid

/// One row of a summary: a layer and what it does to one example.
type SummaryRow = {
    Path: string
    Type: string
    In: Shape
    Out: Shape
    Params: int64
    Macs: int64
}

/// A network in numbers.
type Summary = {
    Rows: SummaryRow array
    Input: Shape
    Output: Shape
    Params: int64
    Macs: int64
}

[<RequireQualifiedAccess>]
module Summary =

    let private row (plan: Plan, layer: LayerPlan) = {
        Path = plan.Path
        Type = Layer.name layer.Layer
        In = plan.In
        Out = plan.Out
        Params = layer.Tensors |> List.filter _.IsParameter |> List.sumBy _.Elements
        Macs = layer.Macs
    }

    /// Every layer with its shapes, parameters and multiply-adds; nothing is allocated.
    let ofPlan (plan: Plan) : Summary = {
        Rows = Plan.layers plan |> List.map row |> Array.ofList
        Input = plan.In
        Output = plan.Out
        Params = Plan.parameterCount plan
        Macs = Plan.macs plan
    }
