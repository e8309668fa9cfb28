namespace Hybrid.Command

open System.Globalization
open Hybrid

/// What a command line changes in a recipe.
type RecipeChanges = {
    Epochs: int option
    MaxSteps: int64 option
    BatchSize: int option
    Optimizer: (Optimizer * float) option
    LearningRate: float option
    Momentum: float option
    WeightDecay: float option
    Nesterov: bool
    Schedule: string option
    Milestones: int list option
    Gamma: float option
    LabelSmoothing: float option
    Augment: Augmentation list option
    KeepOrder: bool
    KeepLast: bool
    Seed: int64 option
    LogEvery: int option
}

[<RequireQualifiedAccess>]
module RecipeChanges =

    let none = {
        Epochs = None
        MaxSteps = None
        BatchSize = None
        Optimizer = None
        LearningRate = None
        Momentum = None
        WeightDecay = None
        Nesterov = false
        Schedule = None
        Milestones = None
        Gamma = None
        LabelSmoothing = None
        Augment = None
        KeepOrder = false
        KeepLast = false
        Seed = None
        LogEvery = None
    }

    /// Published sets get the published recipe. The drawn images are learned in a few minutes on two cores, and a
    /// folder's pictures are seldom so many that they take longer.
    let private startingPoint source changes model =
        let short usual = Recipe.short (Option.defaultValue usual changes.Epochs) model

        match source with
        | DataSource.Shapes -> short 8
        | DataSource.Folder _ -> short 30
        | DataSource.Cifar10 _
        | DataSource.Cifar100 _ -> Recipe.published model

    let private optimizer changes given =
        let decay own = Option.defaultValue own changes.WeightDecay
        let momentum own = Option.defaultValue own changes.Momentum
        let name = Optimizer.name given

        match given with
        | Optimizer.Adam _ when changes.Momentum.IsSome -> Error $"--momentum is of sgd and rmsprop, not of {name}"
        | Optimizer.Adam _
        | Optimizer.RmsProp _ when changes.Nesterov -> Error $"--nesterov is of sgd, not of {name}"
        | Optimizer.Sgd p when changes.Nesterov && momentum p.Momentum = 0.0 ->
            Error "--nesterov looks ahead along the momentum: --momentum must be above 0"
        | Optimizer.Sgd p ->
            Ok(
                Optimizer.Sgd {
                    p with
                        Momentum = momentum p.Momentum
                        Nesterov = changes.Nesterov
                        WeightDecay = decay p.WeightDecay
                }
            )
        | Optimizer.Adam p -> Ok(Optimizer.Adam { p with WeightDecay = decay p.WeightDecay })
        | Optimizer.RmsProp p ->
            Ok(Optimizer.RmsProp { p with Momentum = momentum p.Momentum; WeightDecay = decay p.WeightDecay })

    let private schedule changes own =
        match changes.Schedule, own with
        | Some "constant", _ when changes.Milestones.IsSome || changes.Gamma.IsSome ->
            Error "--schedule constant has neither --milestones nor --gamma"
        | Some "constant", _ -> Ok Schedule.Constant
        | _, Schedule.Milestones(epochs, gamma) ->
            Ok(
                Schedule.Milestones(
                    Option.defaultValue epochs changes.Milestones,
                    Option.defaultValue gamma changes.Gamma
                )
            )
        | _, own -> Ok own

    /// The recipe of a model on some data, with these changes. Everything not named stays as published.
    let apply (source: DataSource) (model: Model) (changes: RecipeChanges) : Result<Recipe, string> =
        let own = startingPoint source changes model
        let given, rate = Option.defaultValue (own.Optimizer, own.LearningRate) changes.Optimizer

        match optimizer changes given, schedule changes own.Schedule with
        | Error message, _
        | _, Error message -> Error message
        | Ok optimizer, Ok schedule ->
            Ok {
                Epochs = Option.defaultValue own.Epochs changes.Epochs
                MaxSteps = Option.defaultValue own.MaxSteps changes.MaxSteps
                BatchSize = Option.defaultValue own.BatchSize changes.BatchSize
                Objective =
                    changes.LabelSmoothing |> Option.map Objective.CrossEntropy |> Option.defaultValue own.Objective
                Optimizer = optimizer
                LearningRate = Option.defaultValue rate changes.LearningRate
                Schedule = schedule
                Augment = Option.defaultValue own.Augment changes.Augment
                Shuffle = own.Shuffle && not changes.KeepOrder
                DropLast = own.DropLast && not changes.KeepLast
                Seed = Option.defaultValue own.Seed changes.Seed
                LogEvery = Option.defaultValue own.LogEvery changes.LogEvery
            }
