namespace Hybrid

/// A branch of a concatenation that begins with a 1×1 convolution, its batch norm and its activation.
type internal Sibling = {
    /// Of the branch among the branches.
    Place: int
    /// That the convolution makes.
    Channels: int
    Conv: LayerPlan
    /// What the branch does behind the convolution, from the norm on.
    Rest: Plan list
}

/// The branches of one concatenation. The convolutions of the siblings read the same input, so that one convolution with
/// the outputs of all of them comes to the same.
type internal Family = {
    /// Whether the convolutions have a bias.
    Bias: bool
    Siblings: Sibling list
    /// The other branches with their places.
    Others: (int * Plan list) list
}

[<RequireQualifiedAccess>]
module internal Family =

    open Patterns

    /// What siblings have in common, and the sibling that a branch is.
    let private front place branch =
        match branch with
        | Conv(Pointwise { Height = 1; Width = 1 } & conv, layer) :: (Norm _ :: Act activation :: _ as rest) ->
            let sibling = { Place = place; Channels = conv.Channels; Conv = layer; Rest = rest }

            Some((conv.Bias, activation), sibling)
        | _ -> None

    /// The largest family of a fork's branches; none where there are no two siblings.
    let find (branches: Plan list list) : Family option =
        let fronts = branches |> List.mapi front

        let kinds =
            fronts
            |> List.choose (Option.map fst)
            |> List.countBy id
            |> List.filter (fun (_, count) -> count > 1)

        match kinds with
        | [] -> None
        | kinds ->
            let kind, _ = List.maxBy snd kinds

            let siblings = [
                for front in fronts do
                    match front with
                    | Some(it, sibling) when it = kind -> sibling
                    | _ -> ()
            ]

            let taken = siblings |> List.map _.Place |> set

            Some {
                Bias = fst kind
                Siblings = siblings
                Others = List.indexed branches |> List.filter (fun (place, _) -> not (taken.Contains place))
            }
