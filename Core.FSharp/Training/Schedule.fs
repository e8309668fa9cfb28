namespace Hybrid

open System

/// One rise and one fall over a whole run, both along half a cosine, moved after every step. Smith and Topin,
/// "Super-Convergence", 2018; as PyTorch's OneCycleLR with `cycle_momentum=False`: the momentum stays.
type OneCycle = {
    /// Share of the steps in which the rate rises.
    PctStart: float
    /// The peak over the first rate.
    DivFactor: float
    /// The first rate over the last one.
    FinalDivFactor: float
}

/// How the learning rate moves during a run, told from the recipe's rate.
[<RequireQualifiedAccess>]
type Schedule =
    | Constant
    /// Times `gamma` after each of these epochs of the run. MultiStepLR.
    | Milestones of epochs: int list * gamma: float
    /// Half a cosine from the recipe's rate to `minimum`, moved after every epoch. CosineAnnealingLR over all epochs.
    | Cosine of minimum: float
    /// The recipe's rate is the peak.
    | OneCycle of OneCycle
    /// First some epochs in which the rate climbs from a share of what `main` begins with, moved after every step;
    /// `main` has the rest of the run. LinearLR in a SequentialLR.
    | WarmUp of epochs: int * share: float * main: Schedule

/// The place of a step in its run, and how long the run is. Places count from 0.
type Place = { Step: int64; StepsPerEpoch: int; Steps: int64 }

[<RequireQualifiedAccess>]
module Schedule =

    /// PyTorch's own defaults.
    let oneCycle: OneCycle = { PctStart = 0.3; DivFactor = 25.0; FinalDivFactor = 1e4 }

    /// One after the other, as PyTorch multiplies, since 0.1 × 0.1 is not 0.01 to the last bit.
    let private milestones epochs gamma (initial: float) epoch =
        epochs
        |> List.filter (fun milestone -> milestone <= epoch)
        |> List.fold (fun rate _ -> rate * gamma) initial

    /// Along half a cosine: `first` at a share of 0, `last` at 1.
    let private along (first: float) (last: float) (share: float) =
        last + (first - last) / 2.0 * (cos (Math.PI * share) + 1.0)

    let private cycle (p: OneCycle) peak (step: int64) (steps: int64) =
        let first = peak / p.DivFactor
        let top, bottom = p.PctStart * float steps - 1.0, float (steps - 1L)
        let share low high = if high > low then (float step - low) / (high - low) else 1.0

        if float step <= top then
            along first peak (share 0.0 top)
        else
            along peak (first / p.FinalDivFactor) (share top bottom)

    /// The rate of a schedule that begins with epoch `begun` and ends with the run.
    let rec private since begun schedule (initial: float) (place: Place) =
        let perEpoch = int64 place.StepsPerEpoch
        let epoch = int (place.Step / perEpoch)
        let step, steps = place.Step - int64 begun * perEpoch, place.Steps - int64 begun * perEpoch

        match schedule with
        | Schedule.Constant -> initial
        | Schedule.Milestones(epochs, gamma) -> milestones epochs gamma initial epoch
        | Schedule.Cosine minimum ->
            let epochs = (steps + perEpoch - 1L) / perEpoch
            along initial minimum (float (epoch - begun) / float (max 1L epochs))
        | Schedule.OneCycle p -> cycle p initial step (max 1L steps)
        | Schedule.WarmUp(epochs, share, main) ->
            let rest = begun + epochs
            let climb = int64 epochs * perEpoch

            if step >= climb then
                since rest main initial place
            else
                let top = since rest main initial { place with Step = int64 rest * perEpoch }
                top * (share + (1.0 - share) * float step / float climb)

    /// The learning rate of one step. `initial` is the recipe's.
    let rate schedule (initial: float) (place: Place) = since 0 schedule initial place

    /// What follows the warm-up, or all of it.
    let rec main schedule =
        match schedule with
        | Schedule.WarmUp(_, _, rest) -> main rest
        | all -> all

    /// The highest rate of a run, whatever its length. `initial` is the recipe's.
    let rec highest schedule (initial: float) =
        match schedule with
        | Schedule.Constant -> initial
        | Schedule.Milestones(epochs, gamma) -> max initial (initial * gamma ** float epochs.Length)
        | Schedule.Cosine minimum -> max initial minimum
        | Schedule.OneCycle p ->
            let first = initial / p.DivFactor
            List.max [ initial; first; first / p.FinalDivFactor ]
        | Schedule.WarmUp(_, _, main) -> highest main initial
