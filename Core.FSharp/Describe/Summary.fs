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
} with

    /// A table of fixed width, for scripts.
    override summary.ToString() =
        let cells = [
            yield [ "Layer"; "Type"; "Input"; "Output"; "Parameters"; "Multiply-adds" ]
            for row in summary.Rows do
                yield [
                    row.Path
                    row.Type
                    string row.In
                    string row.Out
                    row.Params.ToString "N0"
                    row.Macs.ToString "N0"
                ]
            yield [
                ""
                ""
                string summary.Input
                string summary.Output
                summary.Params.ToString "N0"
                summary.Macs.ToString "N0"
            ]
        ]

        let widths = cells |> List.transpose |> List.map (List.map String.length >> List.max)

        let line row =
            List.zip widths row
            |> List.mapi (fun column (width, cell: string) ->
                if column < 4 then cell.PadRight width else cell.PadLeft width)
            |> String.concat "  "

        cells |> List.map line |> String.concat "\n"

[<RequireQualifiedAccess>]
module Summary =

    let private row (plan: Plan, layer: LayerPlan) = {
        Path = plan.Path
        Type = Layers.name layer.Layer
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
