module Hybrid.Tests.Describe.DiagramTests

open System.Globalization
open System.Xml.Linq
open Expecto
open Hybrid
open Hybrid.Combinators
open Hybrid.Tests.Networks
open Hybrid.Tests.Networks.Nets

let private drawn plan = XDocument.Parse(Diagram.ofPlan plan)

let private named name (svg: XDocument) = [
    for element in svg.Descendants() do
        if element.Name.LocalName = name then
            element
]

let private attribute name (element: XElement) =
    match element.Attribute(XName.Get name) with
    | null -> ""
    | found -> found.Value

let private number name element = System.Double.Parse(attribute name element, CultureInfo.InvariantCulture)

/// What one sees when pointing at a layer or at a join: a line for each that it stands for.
let private lines svg = named "title" svg |> List.collect (fun title -> List.ofArray (title.Value.Split '\n'))

let private texts svg = named "text" svg |> List.map _.Value

/// Layers, and joins of several branches.
let rec private nodes (plan: Plan) : Plan list =
    match plan.Node with
    | PlanNode.Layer _ -> [ plan ]
    | PlanNode.Chain members -> List.collect nodes members
    | PlanNode.Fork(_, branches) -> plan :: List.collect nodes branches

let private line (plan: Plan) =
    let parameters = Plan.parameterCount plan
    let trained = if parameters = 0L then "" else $", {parameters:N0} parameters"
    let place = if plan.Path = "" then "" else $"{plan.Path}: "
    $"{place}{plan.In} → {plan.Out}{trained}"

let private tells svg plan =
    let expected = nodes plan |> List.map line |> List.sort

    let told =
        lines svg
        |> List.filter (fun line -> not (List.contains line [ "Sum"; "Concat"; "Product" ]))
        |> List.sort

    Expect.equal told expected "each layer and join once"

let private inside svg =
    let root = named "svg" svg |> List.exactlyOne
    let width, height = number "width" root, number "height" root

    for box in named "rect" svg do
        let x = if attribute "x" box = "" then 0.0 else number "x" box
        let y = if attribute "y" box = "" then 0.0 else number "y" box
        Expect.isTrue (x >= 0.0 && x + number "width" box <= width + 0.01) "no box leaves the drawing at a side"
        Expect.isTrue (y >= 0.0 && y + number "height" box <= height + 0.01) "nor above or below"

/// Boxes of layers and joins: none may cover another.
let private apart svg =
    let boxes =
        named "rect" svg
        |> List.filter (fun box -> List.contains (attribute "class" box) [ "row"; "pill" ])
        |> List.map (fun box ->
            let x, y = number "x" box, number "y" box
            x, y, x + number "width" box, y + number "height" box)

    for place, (left, top, right, bottom) in List.indexed boxes do
        for left', top', right', bottom' in List.skip (place + 1) boxes do
            let across = min right right' - max left left'
            let down = min bottom bottom' - max top top'
            Expect.isFalse (across > 0.01 && down > 0.01) "boxes lie apart"

let private zoo name =
    match Catalogue.find name [] with
    | Ok model -> planOf (Shape.Image(3, 32, 32)) model.Net
    | Error message -> failtest message

let tests =
    testList "diagram" [
        for name, overrides, input in Zoo.members do
            test $"{name} in a small form: every layer and join is in it, apart from the others" {
                let model = Catalogue.find name overrides |> Result.defaultWith failtest
                let plan = planOf input model.Net
                let svg = drawn plan
                tells svg plan
                inside svg
                apart svg
            }

        for name in Catalogue.tutorial do
            test $"{name}: every layer and join is in it, apart from the others" {
                let plan = zoo name
                let svg = drawn plan
                tells svg plan
                inside svg
                apart svg
            }

        propertyOf 200 "so it is for any network" working (fun sample ->
            let plan = planOf sample.Input sample.Net
            let svg = drawn plan
            tells svg plan
            inside svg
            apart svg)

        test "blocks that repeat are drawn once" {
            let counts name = zoo name |> drawn |> texts |> List.filter _.StartsWith("×")
            Expect.equal (counts "ResNet") [ "× 3"; "× 2"; "× 2" ] "the halving blocks stand alone"
            Expect.equal (counts "GoogleNet") [ "× 2"; "× 4"; "× 2" ] "between the pools"
            Expect.equal (counts "DenseNet") [ "× 6"; "× 6"; "× 6"; "× 6" ] "layers of each dense block"
        }

        test "what differs from block to block is a range" {
            let texts = zoo "GoogleNet" |> drawn |> texts
            Expect.contains texts "Conv2d 1×1 → 16–24" "the first branch of blocks 0 and 1"
            Expect.contains texts "96×32×32" "what leaves block 1"
            Expect.contains texts "0 … 1" "their paths"
        }

        test "a path of odd characters is text" {
            let net = name "<b>&\"" (chain [ conv 2; residual (conv 2) ])
            let svg = drawn (planOf (Shape.Image(1, 4, 4)) net)
            Expect.contains (texts svg) "<b>&\"" "as it is"
        }
    ]
