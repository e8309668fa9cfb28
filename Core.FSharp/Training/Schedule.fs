namespace Hybrid

/// How the learning rate moves during a run.
[<RequireQualifiedAccess>]
type Schedule =
    | Constant
    /// Times `gamma` after each of these epochs.
    | Milestones of epochs: int list * gamma: float

[<RequireQualifiedAccess>]
module Schedule =

    let named = [ "constant"; "milestones" ]

    /// The learning rate in an epoch, counted from 0. Multiplied one milestone after the other, as PyTorch does, since
    /// 0.1 × 0.1 is not 0.01 to the last bit.
    let rate schedule (initial: float) epoch =
        match schedule with
        | Schedule.Constant -> initial
        | Schedule.Milestones(epochs, gamma) ->
            epochs
            |> List.filter (fun milestone -> milestone <= epoch)
            |> List.fold (fun rate _ -> rate * gamma) initial
