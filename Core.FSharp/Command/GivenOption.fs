namespace Hybrid.Command

/// An option as it was given: its name without dashes, and its value, which is `true` of one that takes none.
type GivenOption = { Name: string; Text: string }

[<RequireQualifiedAccess>]
module internal GivenOption =

    let tryFind name (settings: GivenOption list) =
        settings |> List.tryFindBack (fun setting -> setting.Name = name) |> Option.map _.Text

    let has name settings = (tryFind name settings).IsSome

    let remove name (settings: GivenOption list) = settings |> List.filter (fun setting -> setting.Name <> name)

    /// Puts a value in the place of an option, or behind all others.
    let set name text (settings: GivenOption list) =
        if has name settings then
            settings |> List.map (fun it -> if it.Name = name then { it with Text = text } else it)
        else
            settings @ [ { Name = name; Text = text } ]

    /// The words of a command line that says the same.
    let words (settings: GivenOption list) = [
        for { Name = name; Text = text } in settings do
            $"--{name}"

            if not (Argument.isFlag name) then
                text
    ]
