namespace Hybrid.Command

open Hybrid

/// What a command line changes in a recipe.
type RecipeChanges = {
    Epochs: int option
    MaxSteps: int64 option
    BatchSize: int option
    Accumulate: int option
    Optimizer: OptimizerChanges
    LearningRate: float option
    Schedule: ScheduleChanges
    Clipping: Clipping option
    Average: float option
    FreezeBody: bool
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
        Accumulate = None
        Optimizer = OptimizerChanges.none
        LearningRate = None
        Schedule = ScheduleChanges.none
        Clipping = None
        Average = None
        FreezeBody = false
        LabelSmoothing = None
        Augment = None
        KeepOrder = false
        KeepLast = false
        Seed = None
        LogEvery = None
    }

    /// Published sets get the published recipe; a shorter run of it has its milestones at the places of the short one,
    /// since the rate would otherwise never fall. The drawn images are learned in a few minutes on two cores, and a
    /// folder's pictures are seldom so many that they take longer.
    let private startingPoint source changes model =
        let short usual = Recipe.short (Option.defaultValue usual changes.Epochs) model
        let published = Recipe.published model

        match source with
        | DataSource.Shapes -> short 8
        | DataSource.Folder _ -> short 30
        | DataSource.Cifar10 _
        | DataSource.Cifar100 _ ->
            match changes.Epochs with
            | Some epochs when epochs < published.Epochs -> Recipe.short epochs model
            | _ -> published

    /// "epoch 2", "epochs 100 and 150".
    let private counted epochs =
        match epochs with
        | [ one ] -> $"epoch {one}"
        | several -> "epochs " + (several |> List.map string |> String.concat " and ")

    /// What the recipe has otherwise than its user may think, in sentences.
    let remarks (source: DataSource) (model: Model) (changes: RecipeChanges) (recipe: Recipe) : string list =
        let published = Recipe.published model

        match source, Schedule.main recipe.Schedule, published.Schedule with
        | _, Schedule.Milestones(named, _), _ when
            changes.Schedule.Milestones.IsSome && List.exists (fun epoch -> epoch >= recipe.Epochs) named
            ->
            let late = named |> List.filter (fun epoch -> epoch >= recipe.Epochs)
            [ $"the rate does not fall after {counted late}: the run ends after {counted [ recipe.Epochs ]}" ]
        | (DataSource.Cifar10 _ | DataSource.Cifar100 _), Schedule.Milestones(now, _), Schedule.Milestones(were, _) when
            changes.Schedule.Milestones.IsNone && now <> were
            ->
            // Whole epochs of a very short run: the end of it is no milestone.
            let falls =
                match now |> List.filter (fun epoch -> epoch < recipe.Epochs) |> List.distinct with
                | [] -> "the rate does not fall"
                | reached -> $"the rate falls after {counted reached}"

            [
                $"{falls} instead of after {counted were}, since the run ends after {counted [ recipe.Epochs ]} and not {published.Epochs}; --milestones names others"
            ]
        | _ -> []

    /// The recipe of a model on some data, with these changes. Everything not named stays as published.
    let apply (source: DataSource) (model: Model) (changes: RecipeChanges) : Result<Recipe, string> =
        let own = startingPoint source changes model
        let epochs = Option.defaultValue own.Epochs changes.Epochs

        OptimizerChanges.apply changes.Optimizer (own.Optimizer, own.LearningRate)
        |> Result.bind (fun (optimizer, rate) ->
            let rate = Option.defaultValue rate changes.LearningRate

            ScheduleChanges.apply changes.Schedule own.Schedule rate epochs
            |> Result.map (fun schedule -> {
                Epochs = epochs
                MaxSteps = Option.defaultValue own.MaxSteps changes.MaxSteps
                BatchSize = Option.defaultValue own.BatchSize changes.BatchSize
                Accumulate = Option.defaultValue own.Accumulate changes.Accumulate
                Objective =
                    changes.LabelSmoothing |> Option.map Objective.CrossEntropy |> Option.defaultValue own.Objective
                Optimizer = optimizer
                LearningRate = rate
                Schedule = schedule
                Clipping = Option.orElse own.Clipping changes.Clipping
                Average = Option.orElse own.Average changes.Average
                FreezeBody = changes.FreezeBody
                Augment = Option.defaultValue own.Augment changes.Augment
                Shuffle = own.Shuffle && not changes.KeepOrder
                DropLast = own.DropLast && not changes.KeepLast
                Seed = Option.defaultValue own.Seed changes.Seed
                LogEvery = Option.defaultValue own.LogEvery changes.LogEvery
            }))
