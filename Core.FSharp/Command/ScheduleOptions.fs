namespace Hybrid.Command

open Hybrid

/// The schedule of a recipe.
module internal ScheduleOptions =

    /// Steps are taken in float32, where a rate not far above this is no number.
    let private highestRate = 1e30

    let rec private name schedule =
        match schedule with
        | Schedule.Constant -> "constant"
        | Schedule.Milestones _ -> "milestones"
        | Schedule.Cosine _ -> "cosine"
        | Schedule.OneCycle _ -> "one-cycle"
        | Schedule.WarmUp(_, _, main) -> name main

    let private kinds milestones : Kinds<Schedule> = {
        Named = [
            for it in [ Schedule.Constant; milestones; Schedule.Cosine 0.0; Schedule.OneCycle Schedule.oneCycle ] ->
                name it, it
        ]
        Name = name
        Get = _.Schedule
        Set = fun it recipe -> { recipe with Schedule = it }
    }

    let private milestones: Part<Schedule, int list> =
        function
        | Schedule.Milestones(epochs, gamma) -> Some(epochs, fun it -> Schedule.Milestones(it, gamma))
        | _ -> None

    let private warmUp =
        "--warmup-epochs N  first epochs in which the rate climbs to where the schedule begins, step by step; the schedule has the rest (default: none)"
        |> Row.fits (Value.atLeast 1) (fun it draft ->
            if it < draft.Training.Epochs then
                Ok {
                    draft with
                        Training.Schedule = Schedule.WarmUp(it, 1.0 / 3.0, draft.Training.Schedule)
                }
            else
                Error $"--warmup-epochs is {it}, expected fewer than the run's {draft.Training.Epochs} epochs")
        |> Row.decides

    let private warmUpStart =
        "--warmup-start X  share of that rate that the warm-up begins with (default: a third)"
        |> Row.fits (Value.within 0.0 1.0) (fun it draft ->
            match draft.Training.Schedule with
            | Schedule.WarmUp(epochs, _, main) ->
                Ok { draft with Training.Schedule = Schedule.WarmUp(epochs, it, main) }
            | _ -> Error "--warmup-start goes with --warmup-epochs")

    /// They come behind the rate, and the warm-up behind what it leads to. `starts` are the recipes of data by name,
    /// all with milestones.
    let rows (starts: (string * Recipe) list) =
        let kinds = kinds (snd starts.Head).Schedule
        let number read part line = OwnOption.number kinds read part line

        let cycle get set : Part<Schedule, float> =
            function
            | Schedule.OneCycle p -> Some(get p, fun it -> Schedule.OneCycle(set it p))
            | _ -> None

        [
            "--schedule NAME  constant, milestones, cosine (falls after each epoch), one-cycle (rises to --lr and falls, after each step; momentum stays)"
            |> Row.sets (Value.word "schedule" kinds.Named) (fun it draft ->
                if name it = name draft.Training.Schedule then
                    draft
                else
                    { draft with Training.Schedule = it })
            |> Row.byDefaults [ for where, recipe in starts -> where, name recipe.Schedule ]
            |> Row.decides
            "--milestones EPOCHS  epochs after which the rate falls; where a run is shorter, after 60% and 85% of it"
            |> OwnOption.sets kinds Value.epochs Value.ofEpochs milestones
            |> Row.byDefaults [
                for where, recipe in starts do
                    match milestones recipe.Schedule with
                    | Some(epochs, _) -> where, Value.ofEpochs epochs
                    | None -> ()
            ]
            "--gamma X  factor at each milestone"
            |> number Value.positive (function
                | Schedule.Milestones(epochs, gamma) -> Some(gamma, fun it -> Schedule.Milestones(epochs, it))
                | _ -> None)
            "--min-lr X  rate that cosine falls to"
            |> number (Value.within 0.0 1e30) (function
                | Schedule.Cosine minimum -> Some(minimum, Schedule.Cosine)
                | _ -> None)
            "--pct-start X  share of the steps in which one-cycle rises"
            |> number (Value.within 0.0 1.0) (cycle _.PctStart (fun it p -> { p with PctStart = it }))
            "--div-factor X  one-cycle begins at the rate over this"
            |> number Value.positive (cycle _.DivFactor (fun it p -> { p with DivFactor = it }))
            "--final-div-factor X  one-cycle ends at its first rate over this"
            |> number Value.positive (cycle _.FinalDivFactor (fun it p -> { p with FinalDivFactor = it }))
            warmUp
            warmUpStart
        ]

    /// What is wrong with a schedule and its rate as a whole.
    let check (recipe: Recipe) = [
        let rate = recipe.LearningRate

        match Schedule.main recipe.Schedule with
        | Schedule.Cosine minimum when minimum > rate ->
            $"--min-lr is {minimum}, expected at most the rate {rate} that the schedule begins with"
        | main when Schedule.highest main rate > highestRate ->
            $"the learning rate would reach {Schedule.highest main rate}, expected at most {highestRate}"
        | _ -> ()
    ]
