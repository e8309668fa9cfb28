namespace Hybrid.Command

open System
open Hybrid

/// Whom an option belongs to, which decides where it may come from.
[<RequireQualifiedAccess>]
type internal Owner =
    /// Decides the network, its data or its training, and is stored with the run.
    | Run
    /// Has no meaning for a run that is taken up again.
    | Start
    /// Says where a process computes, where it writes and how it speaks: never taken from what a run has stored.
    | Process
    /// Loads or starts something: never taken from any file.
    | CommandLine

/// An option: what is told of it, how its text is read, and what it changes.
type internal Row = {
    /// Without dashes.
    Name: string
    /// What stands for its value in the help; empty where it takes none, in brackets where it may be left out.
    Value: string
    /// Empty for one that users have no use for.
    Help: string
    /// The values that it has where it is not given, each with where that is; empty where that is everywhere.
    Defaults: (string * string) list
    Owner: Owner
    /// It may be given several times.
    Often: bool
    /// Others are checked against it: where its value can't be read, nothing can be said about theirs.
    Decides: bool
    /// From its text to a change, which is refused where it does not fit what the rows before have made.
    Read: string -> Result<Draft -> Result<Draft, string>, string>
}

/// A row begins as its line of the help, such as "--seed N  what it means", and is piped through what else is known. A new
/// option is a row in a group of a verb, and a name in `Argument`.
[<RequireQualifiedAccess>]
module internal Row =

    /// A line of the help, divided into what is typed and what it means.
    let divide (line: string) =
        match line.IndexOf("  ", StringComparison.Ordinal) with
        | -1 -> line, ""
        | at -> line.Substring(0, at), line.Substring(at + 2)

    let private make line read =
        let head, help = divide line
        let words = head.Split ' '
        let name = words[0].Substring 2

        {
            Name = name
            Value = if words.Length > 1 then words[1] else ""
            Help = help
            Defaults = []
            Owner = Owner.Run
            Often = false
            Decides = false
            Read = read $"--{name}"
        }

    /// An option whose value may not fit. Its reader is told its name.
    let fits (read: string -> string -> Result<'v, string>) (change: 'v -> Draft -> Result<Draft, string>) line : Row =
        make line (fun option text -> read option text |> Result.map change)

    let sets read (change: 'v -> Draft -> Draft) line : Row = fits read (fun it draft -> Ok(change it draft)) line

    /// An option without a value, which may not fit. A file says true or false.
    let flagFits (change: Draft -> Result<Draft, string>) line : Row =
        fits Value.flag (fun given draft -> if given then change draft else Ok draft) line

    let flag (change: Draft -> Draft) line : Row = flagFits (change >> Ok) line

    let byDefaults values (row: Row) = { row with Defaults = values }
    let byDefault value row = byDefaults [ "", string value ] row
    let helped help (row: Row) = { row with Help = help; Defaults = [] }
    let owned owner (row: Row) = { row with Owner = owner }
    let often (row: Row) = { row with Often = true }
    let decides (row: Row) = { row with Decides = true }

/// What rows have made of the options that were given, and what is wrong with them.
type internal Reading = {
    Draft: Draft
    /// Options whose text could not be read, each with what is wrong.
    Misread: (Row * string) list
    /// What does not go together.
    Misfits: string list
}

[<RequireQualifiedAccess>]
module internal Reading =

    /// Takes the rows one after the other: what a later one is checked against is there already.
    let ofRows (rows: Row list) (given: GivenOption list) (start: Draft) : Reading =
        let take reading (row: Row, setting: GivenOption) =
            match row.Read setting.Text with
            | Error message -> { reading with Misread = reading.Misread @ [ row, message ] }
            | Ok change ->
                match change reading.Draft with
                | Ok draft -> { reading with Draft = draft }
                | Error message -> { reading with Misfits = reading.Misfits @ [ message ] }

        List.allPairs rows given
        |> List.filter (fun (row, setting) -> row.Name = setting.Name)
        |> List.fold take { Draft = start; Misread = []; Misfits = [] }
