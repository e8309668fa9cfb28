namespace Hybrid

/// A layer, the tensors it owns, and its multiply-adds for one example.
type LayerPlan = {
    Layer: Layer
    Tensors: TensorSpec list
    Macs: int64
    /// In the order of construction, which is that of reading unless the network says otherwise.
    Place: int
}

/// A network with every path and every shape worked out. A fork has two branches or more.
type Plan = {
    /// Segments joined by dots; empty at the root.
    Path: string
    In: Shape
    Out: Shape
    Node: PlanNode
}

/// What a part of a plan is made of.
and [<RequireQualifiedAccess>] PlanNode =
    | Layer of LayerPlan
    | Chain of Plan list
    | Fork of Join * Plan list

[<RequireQualifiedAccess>]
module Plan =

    let private largest = int64 System.Int32.MaxValue

    let private join segments segment = if segments = "" then segment else $"{segments}.{segment}"

    /// What branches of these shapes come together to.
    let private joined join shapes =
        let differ = Error(ShapeProblem.BranchesDiffer(join, shapes))

        let stacked (shape: int -> Shape) rest counts =
            let count = List.sumBy int64 counts
            let elements = Shape.volume (count :: rest)

            if elements > largest then
                Error(ShapeProblem.TooLarge elements)
            else
                Ok(shape (int count))

        let all pick =
            let picked = List.choose pick shapes
            if picked.Length = shapes.Length then Some picked else None

        match join, shapes with
        | _, [] -> Error ShapeProblem.NoBranches
        | Join.Sum, first :: rest -> if List.forall ((=) first) rest then Ok first else differ
        | Join.Product, first :: _ ->
            let whole = shapes |> List.maxBy Shape.elements

            let fits shape =
                match shape with
                | Shape.Image(channels, 1, 1) -> channels = Shape.channels first && whole.IsImage
                | shape -> shape = whole

            if List.forall fits shapes then Ok whole else differ
        | Join.Concat, Shape.Image(_, height, width) :: _ ->
            all (function
                | Shape.Image(channels, h, w) when h = height && w = width -> Some channels
                | _ -> None)
            |> Option.map (stacked (fun count -> Shape.Image(count, height, width)) [ int64 height; int64 width ])
            |> Option.defaultValue differ
        | Join.Concat, Shape.Features _ :: _ ->
            all (function
                | Shape.Features count -> Some count
                | Shape.Image _ -> None)
            |> Option.map (stacked Shape.Features [])
            |> Option.defaultValue differ

    /// What of some layers with their tensors is constructed first, inside a part at `path`: places by the next segment of
    /// the keys.
    let private inOrder path (segments: string list) (layers: (int * TensorSpec list) list) =
        let rank (_, tensors: TensorSpec list) =
            match tensors with
            | [] -> segments.Length
            | first :: _ ->
                let key = if path = "" then first.Key else first.Key.Substring(path.Length + 1)
                let segment = key.Split('.')[0]
                segments |> List.tryFindIndex ((=) segment) |> Option.defaultValue segments.Length

        List.sortBy rank layers

    /// The plan with each layer's place, where it is constructed in the order of these: its places in the order of reading.
    let private constructedIn (order: int list) (plan: Plan) : Plan =
        let places = order |> List.mapi (fun place layer -> layer, place) |> dict

        let rec walk (plan: Plan) =
            match plan.Node with
            | PlanNode.Layer layer -> { plan with Node = PlanNode.Layer { layer with Place = places[layer.Place] } }
            | PlanNode.Chain members -> { plan with Node = PlanNode.Chain(List.map walk members) }
            | PlanNode.Fork(join, branches) -> { plan with Node = PlanNode.Fork(join, List.map walk branches) }

        walk plan

    /// Paths of the members of a chain or a fork: a named one brings its own segment, a sole unnamed one adds none,
    /// and several unnamed ones are told apart by their place. What holds nothing needs no place.
    let private memberPaths path members =
        let rec needsPlace net =
            match net with
            | Net.Named _
            | Net.Chain [] -> false
            | Net.Ordered(_, inner) -> needsPlace inner
            | _ -> true

        let several = members |> List.filter needsPlace |> List.length > 1

        members
        |> List.mapi (fun place net -> if several && needsPlace net then join path (string place) else path)

    /// Works out every path and shape of `net` for inputs of `input`, without allocating a tensor.
    /// All errors are reported, not only the first; one error never shows up again as a consequence further on.
    let elaborate (input: Shape) (net: Net) : Result<Plan, ShapeError list> =
        let errors = ResizeArray<ShapeError>()
        let numbers = ref 0L
        let keys = System.Collections.Generic.HashSet<string>()
        // Layers with their tensors in the order of construction, told by their places in the order of reading.
        let mutable constructed: (int * TensorSpec list) list = []
        let mutable read = 0

        let report path part problem = errors.Add { Path = path; Part = part; Problem = problem }

        /// `None` stands for a shape that an error has made unknown.
        let rec walk path (input: Shape option) net : Plan option * Shape option =
            match net with
            | Net.Layer layer -> walkLayer path input layer
            | Net.Named(segment, inner) ->
                if segment = "" || segment.Contains '.' then
                    report path "Named" (ShapeProblem.BadName segment)

                walk (join path segment) input inner
            | Net.Ordered(segments, inner) ->
                let before = constructed
                constructed <- []
                let walked = walk path input inner
                constructed <- List.rev (inOrder path segments (List.rev constructed)) @ before
                walked
            | Net.Chain members ->
                let plans, out =
                    List.zip (memberPaths path members) members
                    |> List.mapFold (fun shape (path, net) -> walk path shape net) input

                node path input out (PlanNode.Chain(List.choose id plans)), out
            // A fork of one branch is that branch: nothing is joined.
            | Net.Fork(_, [ only ]) -> walk path input only
            | Net.Fork(how, branches) ->
                let plans, outs =
                    List.zip (memberPaths path branches) branches
                    |> List.map (fun (path, net) -> walk path input net)
                    |> List.unzip

                let out =
                    if List.forall Option.isSome outs then
                        match joined how (List.choose id outs) with
                        | Ok shape -> Some shape
                        | Error problem ->
                            report path (string how) problem
                            None
                    else
                        None

                node path input out (PlanNode.Fork(how, List.choose id plans)), out

        and walkLayer path input layer =
            let facts = Layers.facts layer
            let report = report path facts.Type
            facts.Problems |> List.iter report

            match input with
            | Some got when facts.Problems.IsEmpty ->
                match facts.On got with
                | Ok outcome ->
                    let tensors = [ for spec in outcome.Tensors -> { spec with Key = join path spec.Key } ]

                    for tensor in tensors do
                        if not (keys.Add tensor.Key) then
                            report (ShapeProblem.SharedKey tensor.Key)

                    tensors
                    |> List.tryFind (fun tensor -> tensor.Elements > largest)
                    |> Option.iter (fun tensor -> report (ShapeProblem.TooLarge tensor.Elements))

                    numbers.Value <- numbers.Value + (tensors |> List.sumBy _.Elements)
                    let layer = defaultArg outcome.As layer
                    let planned = { Layer = layer; Tensors = tensors; Macs = outcome.Macs; Place = read }
                    constructed <- (read, tensors) :: constructed
                    read <- read + 1
                    node path input (Some outcome.Out) (PlanNode.Layer planned), Some outcome.Out
                | Error problem ->
                    report problem
                    None, None
            | _ -> None, None

        and node path input out node =
            Option.map2 (fun input out -> { Path = path; In = input; Out = out; Node = node }) input out

        /// The input, if there can be one.
        let possible =
            let sides =
                match input with
                | Shape.Image(channels, height, width) -> [ "channels", channels; "height", height; "width", width ]
                | Shape.Features count -> [ "features", count ]

            match Layers.atLeast 1 sides with
            | [] when Shape.elements input > Limits.input -> [ ShapeProblem.InputTooLarge(Shape.elements input) ]
            | problems -> problems
            |> List.map (report "" "Input")
            |> fun problems -> if problems.IsEmpty then Some input else None

        let walked = walk "" possible net

        if numbers.Value > Limits.numbers && errors.Count = 0 then
            report "" "Network" (ShapeProblem.NetworkTooLarge numbers.Value)

        match walked with
        | Some plan, _ when errors.Count = 0 ->
            let order = constructed |> List.rev |> List.map fst
            Ok(if order = [ 0 .. read - 1 ] then plan else constructedIn order plan)
        | _ -> Error(List.ofSeq errors)

    /// The parts that follow one another in a plan: chains within chains are none of their own.
    let rec sequence (plan: Plan) : Plan list =
        match plan.Node with
        | PlanNode.Chain members -> List.collect sequence members
        | _ -> [ plan ]

    /// All layers in the order in which they are read.
    let rec layers (plan: Plan) : (Plan * LayerPlan) list =
        match plan.Node with
        | PlanNode.Layer layer -> [ plan, layer ]
        | PlanNode.Chain members
        | PlanNode.Fork(_, members) -> List.collect layers members

    /// All layers in the order in which PyTorch constructs them.
    let constructed plan : (Plan * LayerPlan) list = layers plan |> List.sortBy (fun (_, layer) -> layer.Place)

    /// The tensors of the state, in the order of PyTorch's `state_dict`.
    let stateTensors plan : TensorSpec list = constructed plan |> List.collect (fun (_, layer) -> layer.Tensors)

    /// The tensors of the last layer that has any, if it is a linear one or a convolution of a single pixel: in a classifier
    /// they alone depend on the number of classes. Empty otherwise.
    let head plan : TensorSpec list =
        match layers plan |> List.filter (fun (_, layer) -> not layer.Tensors.IsEmpty) |> List.tryLast with
        | Some(_, { Layer = Layer.Linear _; Tensors = tensors })
        | Some({ In = Shape.Image(_, 1, 1) }, { Layer = Layer.Conv2d _; Tensors = tensors }) -> tensors
        | _ -> []

    /// Whether training draws random numbers inside the network.
    let isRandom plan = layers plan |> List.exists (fun (_, layer) -> (Layers.facts layer.Layer).Random)

    /// Numbers that are trained.
    let parameterCount plan = stateTensors plan |> List.filter _.IsParameter |> List.sumBy _.Elements

    /// Multiply-adds of convolutions and linear layers for one example.
    let macs plan = layers plan |> List.sumBy (fun (_, layer) -> layer.Macs)
