namespace Hybrid.Command

open Hybrid

/// What a command line changes in a recipe's optimiser.
type OptimizerChanges = {
    /// Another optimiser, and the rate that it starts from.
    Choice: (Optimizer * float) option
    Momentum: float option
    Dampening: float option
    Nesterov: bool
    Betas: (float * float) option
    Alpha: float option
    Epsilon: float option
    WeightDecay: float option
}

[<RequireQualifiedAccess>]
module OptimizerChanges =

    let none = {
        Choice = None
        Momentum = None
        Dampening = None
        Nesterov = false
        Betas = None
        Alpha = None
        Epsilon = None
        WeightDecay = None
    }

    let private ownOptions changes = [
        {
            Name = "--momentum"
            Of = [ "sgd"; "rmsprop" ]
            Given = changes.Momentum.IsSome
        }
        { Name = "--dampening"; Of = [ "sgd" ]; Given = changes.Dampening.IsSome }
        { Name = "--nesterov"; Of = [ "sgd" ]; Given = changes.Nesterov }
        { Name = "--betas"; Of = [ "adam"; "adamw" ]; Given = changes.Betas.IsSome }
        { Name = "--alpha"; Of = [ "rmsprop" ]; Given = changes.Alpha.IsSome }
        {
            Name = "--eps"
            Of = [ "adam"; "adamw"; "rmsprop" ]
            Given = changes.Epsilon.IsSome
        }
    ]

    let private sgd changes (p: Sgd) =
        let p = {
            Momentum = Option.defaultValue p.Momentum changes.Momentum
            Dampening = Option.defaultValue p.Dampening changes.Dampening
            Nesterov = changes.Nesterov
            WeightDecay = Option.defaultValue p.WeightDecay changes.WeightDecay
        }

        if p.Nesterov && p.Momentum = 0.0 then
            Error "--nesterov looks ahead along the momentum: --momentum must be above 0"
        elif p.Nesterov && p.Dampening > 0.0 then
            Error "--nesterov takes the gradient whole: --dampening must be 0"
        elif p.Dampening > 0.0 && p.Momentum = 0.0 then
            Error "--dampening is the momentum's: --momentum must be above 0"
        else
            Ok(Optimizer.Sgd p)

    let private adam changes (p: Adam) =
        let beta1, beta2 = Option.defaultValue (p.Beta1, p.Beta2) changes.Betas

        Optimizer.Adam {
            p with
                Beta1 = beta1
                Beta2 = beta2
                Epsilon = Option.defaultValue p.Epsilon changes.Epsilon
                WeightDecay = Option.defaultValue p.WeightDecay changes.WeightDecay
        }

    let private rmsProp changes (p: RmsProp) =
        Optimizer.RmsProp {
            Alpha = Option.defaultValue p.Alpha changes.Alpha
            Epsilon = Option.defaultValue p.Epsilon changes.Epsilon
            Momentum = Option.defaultValue p.Momentum changes.Momentum
            WeightDecay = Option.defaultValue p.WeightDecay changes.WeightDecay
        }

    /// The optimiser and its rate, where those of the recipe are `published` and `rate`.
    let apply changes (published: Optimizer, rate: float) : Result<Optimizer * float, string> =
        let given, rate = Option.defaultValue (published, rate) changes.Choice

        OwnOption.check (ownOptions changes) (Optimizer.name given)
        |> Result.bind (fun () ->
            match given with
            | Optimizer.Sgd p -> sgd changes p
            | Optimizer.Adam p -> Ok(adam changes p)
            | Optimizer.RmsProp p -> Ok(rmsProp changes p))
        |> Result.map (fun optimizer -> optimizer, rate)
