namespace Hybrid

/// A layer, a join or the input, as a point in a graph of operations.
type GraphNode = {
    /// Segments joined by slashes, no two nodes the same: `blocks/3/net/0.Conv2d`.
    Name: string
    /// PyTorch's name of the layer; `Concat` or `Sum` for a join, `Input` for the input.
    Op: string
    /// Names of the nodes that it reads, in order.
    Inputs: string array
    /// Shape of what it hands on for one example, without the batch.
    Out: int array
    /// What it was made with, and how many numbers of it are trained.
    Settings: struct (string * int64) array
}

/// A plan as a list of operations, each behind those that it reads.
[<RequireQualifiedAccess>]
module Graph =

    /// A segment may hold anything but a dot; a name of a node may not.
    let private plain (segment: string) =
        segment |> String.map (fun c -> if System.Char.IsAsciiLetterOrDigit c || c = '_' then c else '_')

    let private slashed (path: string) = path.Split '.' |> Seq.map plain |> String.concat "/"

    let private inside group name = if group = "" then name else $"{slashed group}/{name}"

    let private settings (layer: LayerPlan) = [|
        let facts = Layers.facts layer.Layer

        // What the output's shape and the number of parameters say already is left out.
        for name, setting in facts.Settings do
            match setting with
            | Setting.Sides(Sides.Square side) -> struct (name, int64 side)
            | Setting.Sides sides ->
                struct ($"{name}_height", int64 sides.Height)
                struct ($"{name}_width", int64 sides.Width)
            | Setting.Padding(Padding.Even(Sides.Square side)) -> struct (name, int64 side)
            | Setting.Padding(Padding.Even sides) ->
                struct ($"{name}_height", int64 sides.Height)
                struct ($"{name}_width", int64 sides.Width)
            | Setting.Padding(Padding.Uneven it) ->
                struct ($"{name}_top", int64 it.Top)
                struct ($"{name}_bottom", int64 it.Bottom)
                struct ($"{name}_left", int64 it.Left)
                struct ($"{name}_right", int64 it.Right)
            | Setting.Padding Padding.Same -> ()
            | Setting.Whole number when facts.Window.IsSome && name <> "channels" -> struct (name, int64 number)
            | Setting.Whole _
            | Setting.Number _
            | Setting.Switch _ -> ()

        match layer.Tensors |> List.filter _.IsParameter with
        | [] -> ()
        | trained -> struct ("params", trained |> List.sumBy _.Elements)
    |]

    /// Every layer and every join. What changes nothing has no node.
    let ofPlan (plan: Plan) : GraphNode list =
        let nodes = ResizeArray<GraphNode>()
        let taken = System.Collections.Generic.HashSet<string>()

        let add name op inputs out settings =
            let name =
                Seq.initInfinite (fun copy -> if copy = 0 then name else $"{name}_{copy}") |> Seq.find taken.Add

            nodes.Add {
                Name = name
                Op = op
                Inputs = Array.ofList inputs
                Out = Shape.dims out |> Array.ofList
                Settings = settings
            }

            name

        /// `group` is the path of what the node is a member of; `source` the node that it reads.
        let rec walk group source (plan: Plan) =
            match plan.Node with
            | PlanNode.Layer layer ->
                let op = Layers.name layer.Layer
                // A layer without a segment of its own lies in its group under its type alone.
                let name = if plan.Path = group then inside group op else $"{slashed plan.Path}.{op}"
                add name op [ source ] plan.Out (settings layer)
            | PlanNode.Chain members -> members |> List.fold (walk plan.Path) source
            | PlanNode.Fork(join, branches) ->
                let ends = branches |> List.map (walk plan.Path source)
                let op = string join
                add (inside plan.Path op) op ends plan.Out [||]

        let input = add "input" "Input" [] plan.In [||]
        walk "" input plan |> ignore
        List.ofSeq nodes
