namespace Hybrid.Command

open Hybrid

/// What was given to a verb.
type internal Given = {
    Settings: GivenOption list
    Words: string list
    /// All that was given is understood: what is missing is missing.
    Complete: bool
}

/// A verb: lists of options by group, and the request that they make.
type internal Verb = {
    Name: string
    Help: string
    /// What words that are no options are, as a line of the help; empty where there are none.
    Words: string
    Groups: (string * Row list) list
    /// What rows start from.
    Start: Given -> Draft
    Make: Given -> Draft -> Result<Request, string list>
}

[<RequireQualifiedAccess>]
module internal Verb =

    let private rowsOf (groups: (string * Row list) list) = List.collect snd groups

    let rows (verb: Verb) = rowsOf verb.Groups

    /// Settings that do not belong to the process alone.
    let ofRun groups (settings: GivenOption list) =
        let isOfRun row = row.Owner = Owner.Run || row.Owner = Owner.Start
        let names = rowsOf groups |> List.filter isOfRun |> List.map _.Name
        settings |> List.filter (fun setting -> List.contains setting.Name names)

    /// The first of some settings that a run may not have stored.
    let notStored (verb: Verb) (settings: GivenOption list) : string option =
        settings
        |> List.tryPick (fun { Name = name } ->
            match rows verb |> List.tryFind (fun row -> row.Name = name) |> Option.map _.Owner with
            | Some(Owner.Process | Owner.CommandLine) ->
                Some $"--{name} is never taken from a file: it belongs on the command line of each process"
            | Some Owner.Start -> Some $"--{name} has no place in a stored command line"
            | Some Owner.Run
            | None -> None)

    /// The request of a verb. All that is wrong is told at once, but for what would only follow from something else.
    let read (given: Given) (verb: Verb) : Result<Request, string list> =
        let reading = Reading.ofRows (rows verb) given.Settings (verb.Start given)
        let misread = reading.Misread |> List.map snd

        if not given.Complete || reading.Misread |> List.exists (fun (row, _) -> row.Decides) then
            Error misread
        else
            match verb.Make given reading.Draft, misread @ reading.Misfits with
            | Ok request, [] -> Ok request
            | Ok _, errors -> Error errors
            | Error others, errors -> Error(errors @ others)
