namespace Hybrid

/// The network as a drawing.
[<RequireQualifiedAccess>]
module Diagram =

    /// Light, and dark where the reader prefers that. All names lie under one class: the drawing may be put into a page.
    let private style =
        """
.diagram{font:11px system-ui,-apple-system,"Segoe UI",sans-serif}
.diagram text{fill:#1c2430}
.diagram .ground{fill:#fff}
.diagram .shape,.diagram .path{fill:#566072}
.diagram .times{font-weight:700;font-size:13px}
.diagram .row{fill:#eef0f4;stroke:#b9c1cf}
.diagram .conv .row{fill:#dce8fc;stroke:#8db0e8}
.diagram .act .row{fill:#dff3e4;stroke:#8ecb9f}
.diagram .pool .row{fill:#fdebd3;stroke:#e5b679}
.diagram .linear .row{fill:#ece2fa;stroke:#b79ce3}
.diagram .pill{fill:#fff;stroke:#566072}
.diagram .frame{fill:#7f8ca3;fill-opacity:.06;stroke:#b9c1cf}
.diagram .wire{fill:none;stroke:#566072}
.diagram .head{fill:#566072}
@media(prefers-color-scheme:dark){
.diagram text{fill:#e6e9ef}
.diagram .ground{fill:#14181f}
.diagram .shape,.diagram .path{fill:#a3adbd}
.diagram .row{fill:#262c36;stroke:#4a5566}
.diagram .conv .row{fill:#1d3354;stroke:#4672b4}
.diagram .act .row{fill:#1c3b27;stroke:#43825a}
.diagram .pool .row{fill:#46331a;stroke:#94703b}
.diagram .linear .row{fill:#35274f;stroke:#7656ab}
.diagram .pill{fill:#14181f;stroke:#a3adbd}
.diagram .frame{stroke:#4a5566}
.diagram .wire{stroke:#a3adbd}
.diagram .head{fill:#a3adbd}
}"""

    /// A number, or where it differs from block to block its least and its greatest value.
    let private range (values: int list) =
        match List.min values, List.max values with
        | least, greatest when least = greatest -> string least
        | least, greatest -> $"{least}–{greatest}"

    let private shape (shapes: Shape list) =
        shapes |> List.map Shape.dims |> List.transpose |> List.map range |> String.concat "×"

    let private rowText (plans: Plan list) (layer: Layer) =
        let out = plans |> List.map (fun plan -> List.head (Shape.dims plan.Out)) |> range

        let facts = Layers.facts layer

        let window =
            match facts.Window with
            | None -> ""
            | Some { Kernel = kernel; Stride = { Height = 1; Width = 1 } } -> $" {kernel}"
            | Some { Kernel = kernel; Stride = Sides.Square stride } -> $" {kernel} /{stride}"
            | Some { Kernel = kernel; Stride = stride } -> $" {kernel} /{stride}"

        match facts.Kind with
        | LayerKind.Convolution
        | LayerKind.Linear -> $"{facts.Type}{window} → {out}"
        | LayerKind.Norm
        | LayerKind.Activation
        | LayerKind.Scale
        | LayerKind.Noise
        | LayerKind.Pool
        | LayerKind.Flatten -> $"{facts.Type}{window}"

    /// Name of the style of a row.
    let private kind layer =
        match (Layers.facts layer).Kind with
        | LayerKind.Convolution -> "conv"
        | LayerKind.Linear -> "linear"
        | LayerKind.Norm
        | LayerKind.Scale -> "norm"
        | LayerKind.Activation -> "act"
        | LayerKind.Pool -> "pool"
        | LayerKind.Noise
        | LayerKind.Flatten -> "flatten"

    /// Everything that a part stands for, a line each.
    let private title (plans: Plan list) =
        plans
        |> List.map (fun plan ->
            let place = if plan.Path = "" then "" else $"{plan.Path}: "
            let parameters = Plan.parameterCount plan
            let trained = if parameters = 0L then "" else $", {parameters:N0} parameters"
            $"{place}{plan.In} → {plan.Out}{trained}")
        |> String.concat "\n"

    /// Layers that follow one another share a stack.
    let rec private pieces (parts: DiagramPart list) : (Shape list * Piece) list =
        match parts with
        | [] -> []
        | DiagramPart.Layer _ :: _ ->
            let layers =
                parts
                |> List.map (function
                    | DiagramPart.Layer(layer, plans) -> Some(layer, plans)
                    | _ -> None)
                |> List.takeWhile Option.isSome
                |> List.choose id

            let rows = layers |> List.map (fun (layer, plans) -> kind layer, rowText plans layer, title plans)

            let outs = layers |> List.last |> snd |> List.map _.Out
            (outs, Piece.stack rows) :: pieces (List.skip layers.Length parts)
        | DiagramPart.Group group as part :: rest ->
            let name =
                if group.First = group.Last then
                    group.First
                else
                    $"{group.First} … {group.Last}"

            (DiagramPart.outs part, Piece.frame name group.Times (column group.Parts)) :: pieces rest
        | DiagramPart.Fork(join, plans, branches) as part :: rest ->
            let drawn = branches |> List.map (fun branch -> if branch.IsEmpty then Piece.skip else column branch)

            let heading = $"{join}\n{title plans}"
            (DiagramPart.outs part, Piece.fork join heading drawn) :: pieces rest

    /// Beside each arrow stands the shape that goes along it.
    and private column parts = pieces parts |> labelled |> Piece.column

    and private labelled pieces =
        let shapes = pieces |> List.map (fst >> shape)
        List.zip ("" :: List.truncate (shapes.Length - 1) shapes) (List.map snd pieces)

    /// An SVG of its own, as wide as it has to be to be read.
    let ofPlan (plan: Plan) : string =
        let input = [ plan.In ], Piece.pill $"input {plan.In}"
        let output = [ plan.Out ], Piece.pill $"output {plan.Out}"
        let inside = input :: pieces (DiagramPart.ofPlan plan) @ [ output ]
        let drawing = inside |> labelled |> Piece.column
        let width, height = Piece.number (drawing.Width + 24.0), Piece.number (drawing.Height + 24.0)

        String.concat "\n" [
            $"""<svg xmlns="http://www.w3.org/2000/svg" class="diagram" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img" aria-label="The network's layers from input to output">"""
            $"<style>{style}</style>"
            $"""<rect class="ground" width="{width}" height="{height}"/>"""
            yield! drawing.Draw 12.0 12.0
            "</svg>"
        ]
