namespace Hybrid

/// 1×1 convolutions that begin several branches of one concatenation, each with its batch norm and its activation.
/// They read the same input and work pixel by pixel, so that one convolution with the outputs of all of them, one
/// norm and one activation come to the same.
type internal Siblings = {
    /// In the order of the branches.
    Convs: LayerPlan list
    Norms: LayerPlan list
    Activation: Activation
}

/// Siblings side by side, where a fork has some, and what is left of its branches.
type internal Family = {
    Siblings: Siblings
    /// For each sibling the place of its branch, its output channels, and what the branch does with them.
    Members: (int * int * Plan list) list
    /// The other branches with their places.
    Others: (int * Plan) list
}

[<RequireQualifiedAccess>]
module internal Siblings =

    let rec private flat (plan: Plan) =
        match plan.Node with
        | PlanNode.Chain members -> List.collect flat members
        | _ -> [ plan ]

    let private layer (plan: Plan) =
        match plan.Node with
        | PlanNode.Layer planned -> Some planned
        | _ -> None

    /// What decides whether two fronts are siblings; the convolution, its norm, and what follows the activation.
    let private front branch =
        match flat branch with
        | conv :: norm :: activation :: rest ->
            match layer conv, layer norm, layer activation with
            | Some({ Layer = Layer.Conv2d({ Kernel = 1; Stride = 1; Padding = 0 } as it) } as conv),
              Some({ Layer = Layer.BatchNorm2d } as norm),
              Some { Layer = Layer.Activation activation } ->
                Some((it.Bias, activation), (it.Channels, conv, norm, rest))
            | _ -> None
        | _ -> None

    /// The largest family of a fork's branches; none where there are no two siblings.
    let find (branches: Plan list) : Family option =
        let fronts = branches |> List.map front

        let kinds =
            fronts
            |> List.choose (Option.map fst)
            |> List.countBy id
            |> List.filter (fun (_, count) -> count > 1)

        match kinds with
        | [] -> None
        | kinds ->
            let kind, _ = List.maxBy snd kinds

            let places, others =
                List.indexed (List.zip branches fronts)
                |> List.partition (fun (_, (_, front)) -> Option.map fst front = Some kind)

            let members = [ for place, (_, front) in places -> place, snd front.Value ]

            Some {
                Siblings = {
                    Convs = [ for _, (_, conv, _, _) in members -> conv ]
                    Norms = [ for _, (_, _, norm, _) in members -> norm ]
                    Activation = snd kind
                }
                Members = [ for place, (channels, _, _, rest) in members -> place, channels, rest ]
                Others = [ for place, (branch, _) in others -> place, branch ]
            }
