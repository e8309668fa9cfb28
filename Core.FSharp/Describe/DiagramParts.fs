namespace Hybrid

/// What a diagram shows, from the input down. Blocks that repeat are shown once: each part knows the plans that it
/// stands for.
[<RequireQualifiedAccess>]
type DiagramPart =
    /// A layer, the first of those that it stands for.
    | Layer of Layer * plans: Plan list
    /// What lies under a path of its own.
    | Group of DiagramGroup
    | Fork of Join * plans: Plan list * branches: DiagramPart list list

/// Parts that are drawn in a frame of their own.
and DiagramGroup = {
    Plans: Plan list
    /// How often the block comes, one after the other.
    Times: int
    /// Paths from the group around it: of the first and of the last of its blocks.
    First: string
    Last: string
    Parts: DiagramPart list
}

[<RequireQualifiedAccess>]
module DiagramPart =

    let private plansOf part =
        match part with
        | DiagramPart.Layer(_, plans)
        | DiagramPart.Fork(_, plans, _) -> plans
        | DiagramPart.Group group -> group.Plans

    /// Shapes that come out behind the part: of a repeated block, those of its last one.
    let outs part =
        let last =
            match part with
            | DiagramPart.Group group -> group.Plans |> List.chunkBySize group.Times |> List.map List.last
            | _ -> plansOf part

        last |> List.map _.Out

    /// What a layer is but for its channels, which may grow from one block to the next.
    let private kind layer =
        let facts = Layers.facts layer
        facts.Type, facts.Settings |> List.filter (fun (name, _) -> name <> "channels")

    let private sides (plans: Plan list) = Shape.dims (List.head plans).Out |> List.tail

    /// Whether two parts look the same but for paths and numbers of channels.
    let rec private alike first second =
        match first, second with
        | DiagramPart.Layer(one, ones), DiagramPart.Layer(other, others) ->
            kind one = kind other && sides ones = sides others
        | DiagramPart.Group one, DiagramPart.Group other -> one.Times = other.Times && allAlike one.Parts other.Parts
        | DiagramPart.Fork(join, _, ones), DiagramPart.Fork(join', _, others) ->
            join = join' && ones.Length = others.Length && List.forall2 allAlike ones others
        | _ -> false

    and private allAlike ones others = List.length ones = List.length others && List.forall2 alike ones others

    let rec private merge first second =
        match first, second with
        | DiagramPart.Group one, DiagramPart.Group other -> DiagramPart.Group(mergeGroups one other)
        | DiagramPart.Fork(join, ones, branches), DiagramPart.Fork(_, others, branches') ->
            DiagramPart.Fork(join, ones @ others, List.map2 (List.map2 merge) branches branches')
        | DiagramPart.Layer(layer, ones), other -> DiagramPart.Layer(layer, ones @ plansOf other)
        | part, _ -> part

    and private mergeGroups one other = {
        one with
            Plans = one.Plans @ other.Plans
            Parts = List.map2 merge one.Parts other.Parts
    }

    /// Puts each block that looks like the one before it together with that one.
    let private repeated (parts: DiagramPart list) =
        ([], parts)
        ||> List.fold (fun before part ->
            match before, part with
            | DiagramPart.Group last :: rest, DiagramPart.Group next when allAlike last.Parts next.Parts ->
                let both = mergeGroups last next
                DiagramPart.Group { both with Times = last.Times + next.Times; Last = next.Last } :: rest
            | _ -> part :: before)
        |> List.rev

    /// The parts of a plan that lies in the group at `around`.
    let rec private partsOf around (plan: Plan) : DiagramPart list =
        let inside =
            match plan.Node with
            | PlanNode.Layer layer -> [ DiagramPart.Layer(layer.Layer, [ plan ]) ]
            | PlanNode.Chain members -> members |> List.collect (partsOf plan.Path) |> repeated
            // A branch is told by its place: it needs no frame.
            | PlanNode.Fork(join, branches) -> [
                DiagramPart.Fork(join, [ plan ], branches |> List.map (fun branch -> partsOf branch.Path branch))
              ]

        match plan.Node, inside with
        | PlanNode.Layer _, _
        | _, [] -> inside
        | _ when plan.Path = around -> inside
        | _ ->
            let name = if around = "" then plan.Path else plan.Path.Substring(around.Length + 1)

            [ DiagramPart.Group { Plans = [ plan ]; Times = 1; First = name; Last = name; Parts = inside } ]

    /// What there is to show of a network. Identity branches are empty.
    let ofPlan (plan: Plan) : DiagramPart list = partsOf "" plan
