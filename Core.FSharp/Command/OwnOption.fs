namespace Hybrid.Command

/// An option that means something beside some choices only, such as `--gamma` beside the schedule of milestones.
type internal OwnOption = { Name: string; Of: string list; Given: bool }

[<RequireQualifiedAccess>]
module internal OwnOption =

    /// Refuses the first option that was given beside another choice than its own. `choice` is compared without regard
    /// to case, and told as it is.
    let check (options: OwnOption list) (choice: string) : Result<unit, string> =
        let out (option: OwnOption) = option.Given && not (List.contains (choice.ToLowerInvariant()) option.Of)

        match List.tryFind out options with
        | Some option ->
            let owners = String.concat ", " option.Of
            Error $"{option.Name} is of {owners}, not of {choice}"
        | None -> Ok()
