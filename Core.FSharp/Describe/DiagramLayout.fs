namespace Hybrid

open System
open System.Globalization
open System.Net

/// A piece of a drawing that can be put anywhere: pixels, y downwards. Data enter it at the top and leave it at the
/// bottom, on its axis.
type Piece = {
    Width: float
    Height: float
    /// From the left edge.
    Axis: float
    /// SVG elements, with the left upper corner at x, y.
    Draw: float -> float -> string list
}

/// How the pieces of a diagram look and where they go. Text is measured by an upper bound of its width, since nobody
/// knows the fonts of the reader.
[<RequireQualifiedAccess>]
module Piece =

    let private characterWidth = 6.9
    let private rowHeight = 22.0
    let private gap = 24.0
    let private between = 18.0
    let private margin = 12.0
    let private header = 24.0
    let private joinHeight = 20.0

    /// A length as SVG has it, two decimals at most.
    let number (value: float) = value.ToString("0.##", CultureInfo.InvariantCulture)

    /// A text that stands for itself in SVG.
    let encoded (text: string) = WebUtility.HtmlEncode text |> string

    let private widthOf (text: string) = characterWidth * float text.Length

    let private text kind anchor x y content =
        $"""<text class="{kind}" x="{number x}" y="{number y}" text-anchor="{anchor}">{encoded content}</text>"""

    let private box kind x y width height radius =
        $"""<rect class="{kind}" x="{number x}" y="{number y}" width="{number width}" height="{number height}" rx="{number radius}"/>"""

    let private wire (points: (float * float) list) =
        let path = points |> List.map (fun (x, y) -> $"{number x} {number y}") |> String.concat "L"
        $"""<path class="wire" d="M{path}"/>"""

    /// A head of an arrow that ends at x, y and comes from a direction.
    let private arrow (x, y) (dx, dy) =
        let side sign = $"{number (x - 6.0 * dx + sign * 3.5 * dy)} {number (y - 6.0 * dy + sign * 3.5 * dx)}"
        $"""<path class="head" d="M{number x} {number y}L{side 1.0}L{side -1.0}Z"/>"""

    /// Elements that belong together, with a text that is shown when one points at them.
    let private titled kind title elements = [
        $"""<g class="{kind}"><title>{encoded title}</title>"""
        yield! elements
        "</g>"
    ]

    /// Rows that touch, each with its kind, its text and its title.
    let stack (rows: (string * string * string) list) : Piece =
        let width = 20.0 + (rows |> List.map (fun (_, content, _) -> widthOf content) |> List.max)

        {
            Width = width
            Height = rowHeight * float rows.Length
            Axis = width / 2.0
            Draw =
                fun x y -> [
                    for place, (kind, content, title) in List.indexed rows do
                        let top = y + rowHeight * float place

                        yield!
                            titled kind title [
                                box "row" x top width rowHeight 3.0
                                text "name" "middle" (x + width / 2.0) (top + 15.0) content
                            ]
                ]
        }

    /// A word with round ends.
    let pill content : Piece =
        let width = 26.0 + widthOf content

        {
            Width = width
            Height = rowHeight
            Axis = width / 2.0
            Draw =
                fun x y -> [
                    box "pill" x y width rowHeight (rowHeight / 2.0)
                    text "name" "middle" (x + width / 2.0) (y + 15.0) content
                ]
        }

    /// One after the other from the top down, with a word beside the arrow to each (that to the first is not drawn).
    let column (pieces: (string * Piece) list) : Piece =
        let labelled = List.tail pieces |> List.map (fun (label, _) -> 10.0 + widthOf label)
        let axis = pieces |> List.map (fun (_, piece) -> piece.Axis) |> List.max

        let right = (pieces |> List.map (fun (_, piece) -> piece.Width - piece.Axis)) @ labelled |> List.max

        let drawOne x (y, drawn) (place, (label, piece: Piece)) =
            let top = if place = 0 then y else y + gap
            let elements = piece.Draw (x + axis - piece.Axis) top

            let arrow =
                if place = 0 then
                    []
                else
                    [
                        wire [ x + axis, y; x + axis, top - 1.0 ]
                        arrow (x + axis, top) (0.0, 1.0)
                        if label <> "" then
                            text "shape" "start" (x + axis + 8.0) (y + gap / 2.0 + 3.0) label
                    ]

            top + piece.Height, drawn @ arrow @ elements

        {
            Width = axis + right
            Height = (pieces |> List.sumBy (fun (_, piece) -> piece.Height)) + gap * float (pieces.Length - 1)
            Axis = axis
            Draw = fun x y -> List.indexed pieces |> List.fold (drawOne x) (y, []) |> snd
        }

    /// A frame around a piece, with a name and, where it stands for several, how many.
    let frame name times (inner: Piece) : Piece =
        let count = if times > 1 then $"× {times}" else ""
        let least = widthOf name + 1.2 * widthOf count + 3.0 * margin
        let width = max least (inner.Width + 2.0 * margin)
        let inset = (width - inner.Width) / 2.0

        {
            Width = width
            Height = header + inner.Height + margin
            Axis = inset + inner.Axis
            Draw =
                fun x y -> [
                    box "frame" x y width (header + inner.Height + margin) 8.0
                    text "path" "start" (x + margin) (y + 16.0) name
                    if count <> "" then
                        text "times" "end" (x + width - margin) (y + 16.0) count
                    yield! inner.Draw (x + inset) (y + header)
                ]
        }

    /// Nothing on the way: the branch that hands on what it reads.
    let skip: Piece = { Width = 24.0; Height = 0.0; Axis = 12.0; Draw = fun _ _ -> [] }

    let private joinPiece join title : Piece =
        let content =
            match join with
            | Join.Sum -> "+"
            | Join.Product -> "×"
            | Join.Concat -> "concat"

        let width = max joinHeight (14.0 + widthOf content)

        {
            Width = width
            Height = joinHeight
            Axis = width / 2.0
            Draw =
                fun x y ->
                    titled "join" title [
                        box "pill" x y width joinHeight (joinHeight / 2.0)
                        text "name" "middle" (x + width / 2.0) (y + 14.0) content
                    ]
        }

    /// Branches side by side, and the join below them.
    let fork join title (branches: Piece list) : Piece =
        let lefts = branches |> List.scan (fun x piece -> x + piece.Width + between) 0.0
        let width = List.last lefts - between
        let placed = List.zip (List.truncate branches.Length lefts) branches
        let main = placed |> List.tryFind (fun (_, piece) -> piece.Height > 0.0)

        let axis =
            match main with
            // With a shortcut, or two ways, the first goes straight down.
            | Some(left, piece) when branches.Length <= 2 -> left + piece.Axis
            | _ -> width / 2.0

        let top = gap / 2.0
        let start = top + 12.0
        let bottom = start + (branches |> List.map _.Height |> List.max) + 14.0
        let joined = joinPiece join title

        let draw x y =
            let drawBranch (left, piece: Piece) = [
                let at = x + left + piece.Axis
                let middle = y + bottom + joinHeight / 2.0
                let ends = y + start + piece.Height
                let above = abs (at - x - axis) < joined.Axis
                let side = if at < x + axis then -1.0 else 1.0

                wire [ x + axis, y; x + axis, y + top; at, y + top; at, y + start ]

                if piece.Height > 0.0 then
                    arrow (at, y + start) (0.0, 1.0)

                yield! piece.Draw (x + left) (y + start)

                if above then
                    wire [ at, ends; at, y + bottom ]
                    arrow (at, y + bottom) (0.0, 1.0)
                else
                    let edge = x + axis + side * joined.Axis
                    wire [ at, ends; at, middle; edge, middle ]
                    arrow (edge, middle) (-side, 0.0)
            ]

            List.collect drawBranch placed @ joined.Draw (x + axis - joined.Axis) (y + bottom)

        {
            Width = max width (axis + joined.Axis)
            Height = bottom + joinHeight
            Axis = axis
            Draw = draw
        }
