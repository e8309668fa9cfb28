namespace Hybrid.Command

open Hybrid

[<RequireQualifiedAccess>]
type ScheduleChoice =
    | Constant
    | Milestones
    | Cosine
    | OneCycle

/// What a command line changes in a recipe's schedule.
type ScheduleChanges = {
    Choice: ScheduleChoice option
    Milestones: int list option
    Gamma: float option
    Minimum: float option
    PctStart: float option
    DivFactor: float option
    FinalDivFactor: float option
    WarmUpEpochs: int option
    WarmUpStart: float option
}

[<RequireQualifiedAccess>]
module ScheduleChanges =

    let none = {
        Choice = None
        Milestones = None
        Gamma = None
        Minimum = None
        PctStart = None
        DivFactor = None
        FinalDivFactor = None
        WarmUpEpochs = None
        WarmUpStart = None
    }

    let named = [
        "constant", ScheduleChoice.Constant
        "milestones", ScheduleChoice.Milestones
        "cosine", ScheduleChoice.Cosine
        "one-cycle", ScheduleChoice.OneCycle
    ]

    /// Steps are taken in float32, where a rate not far above this is no number.
    let private highestRate = 1e30

    let private ownOptions changes =
        let own name choice given = { Name = name; Of = [ choice ]; Given = given }

        [
            own "--milestones" "milestones" changes.Milestones.IsSome
            own "--gamma" "milestones" changes.Gamma.IsSome
            own "--min-lr" "cosine" changes.Minimum.IsSome
            own "--pct-start" "one-cycle" changes.PctStart.IsSome
            own "--div-factor" "one-cycle" changes.DivFactor.IsSome
            own "--final-div-factor" "one-cycle" changes.FinalDivFactor.IsSome
        ]

    let private chosen changes published =
        match changes.Choice, published with
        | Some ScheduleChoice.Constant, _ -> Schedule.Constant
        | Some ScheduleChoice.Cosine, _ -> Schedule.Cosine(Option.defaultValue 0.0 changes.Minimum)
        | Some ScheduleChoice.OneCycle, _ ->
            Schedule.OneCycle {
                PctStart = Option.defaultValue Schedule.oneCycle.PctStart changes.PctStart
                DivFactor = Option.defaultValue Schedule.oneCycle.DivFactor changes.DivFactor
                FinalDivFactor = Option.defaultValue Schedule.oneCycle.FinalDivFactor changes.FinalDivFactor
            }
        | _, Schedule.Milestones(epochs, gamma) ->
            Schedule.Milestones(Option.defaultValue epochs changes.Milestones, Option.defaultValue gamma changes.Gamma)
        | _, published -> published

    let private warmedUp changes epochs main =
        match changes.WarmUpEpochs, changes.WarmUpStart with
        | None, None -> Ok main
        | None, Some _ -> Error "--warmup-start goes with --warmup-epochs"
        | Some warmUp, _ when warmUp >= epochs ->
            Error $"--warmup-epochs is {warmUp}, expected fewer than the run's {epochs} epochs"
        | Some warmUp, start -> Ok(Schedule.WarmUp(warmUp, Option.defaultValue (1.0 / 3.0) start, main))

    /// The schedule of a run of `epochs` at `rate`, where that of the recipe is `published`.
    let apply changes published (rate: float) (epochs: int) : Result<Schedule, string> =
        let choice = Option.defaultValue ScheduleChoice.Milestones changes.Choice
        let name = named |> List.find (fun (_, named) -> named = choice) |> fst

        OwnOption.check (ownOptions changes) name
        |> Result.bind (fun () ->
            match chosen changes published with
            | Schedule.Cosine minimum when minimum > rate ->
                Error $"--min-lr is {minimum}, expected at most the rate {rate} that the schedule begins with"
            | main when Schedule.highest main rate > highestRate ->
                Error $"the learning rate would reach {Schedule.highest main rate}, expected at most {highestRate}"
            | main -> warmedUp changes epochs main)
