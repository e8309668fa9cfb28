namespace Hybrid.Command

open Hybrid

/// What a recipe has of several kinds, such as its optimiser.
type internal Kinds<'kind> = {
    /// By name, as they are without further options.
    Named: (string * 'kind) list
    /// As an error calls it.
    Name: 'kind -> string
    Get: Recipe -> 'kind
    Set: 'kind -> Recipe -> Recipe
}

/// A value that some kinds have, and the kind with another one.
type internal Part<'kind, 'v> = 'kind -> ('v * ('v -> 'kind)) option

/// Options that mean something beside some choices only, such as `--gamma` beside the schedule of milestones. They are
/// checked against the one that is really chosen.
[<RequireQualifiedAccess>]
module internal OwnOption =

    let private change (option: string) kinds (part: Part<'kind, 'v>) it (draft: Draft) =
        let current = kinds.Get draft.Training

        match part current with
        | Some(_, set) -> Ok { draft with Training = kinds.Set (set it) draft.Training }
        | None ->
            let owners =
                kinds.Named |> List.filter (snd >> part >> Option.isSome) |> List.map fst |> String.concat ", "

            Error $"{option} is of {owners}, not of {kinds.Name current}"

    let private defaults kinds show part = [
        for name, kind in kinds.Named do
            match part kind with
            | Some(value, _) -> name, show value
            | None -> ()
    ]

    let private optionOf (line: string) = (line.Split ' ')[0]

    let sets kinds read show (part: Part<'kind, 'v>) line =
        line
        |> Row.fits read (change (optionOf line) kinds part)
        |> Row.byDefaults (defaults kinds show part)

    let number kinds read part line = sets kinds read Value.ofNumber part line

    let flag kinds (part: Part<'kind, bool>) line = line |> Row.flagFits (change (optionOf line) kinds part true)
