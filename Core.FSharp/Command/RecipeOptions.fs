namespace Hybrid.Command

open System
open Hybrid

/// What a command line changes in the recipe of a model on some data.
[<RequireQualifiedAccess>]
module internal RecipeOptions =

    /// Published sets get the published recipe; a shorter run of it has its milestones at the places of the short one,
    /// since the rate would otherwise never fall. The drawn images are learned in a few minutes on two cores, and a
    /// folder's pictures are seldom so many that they take longer. On weights that are there already they take less.
    let private start source initialised (epochs: int option) model =
        let short usual = Recipe.short (Option.defaultValue usual epochs) model
        let published = Recipe.published model

        match source, epochs with
        | DataSource.Shapes, _ -> short 8
        | DataSource.Folder _, _ when initialised -> Recipe.fineTuning (Option.defaultValue 10 epochs)
        | DataSource.Folder _, _ -> short 30
        | (DataSource.Cifar10 _ | DataSource.Cifar100 _), Some epochs when epochs < published.Epochs -> short epochs
        | (DataSource.Cifar10 _ | DataSource.Cifar100 _), _ -> published

    /// The networks whose recipes the help tells; those for ImageNet have each their own.
    let private models = [
        for name in Catalogue.tutorial do
            match Catalogue.find name [] with
            | Ok model -> name, model
            | Error _ -> ()
    ]

    let private ofModels = [ for name, model in models -> name, Recipe.published model ]

    let private ofData = [
        for name, source in
            [ "CIFAR", DataSource.Cifar10 ""; "folder", DataSource.Folder ""; "shapes", DataSource.Shapes ] do
            name, start source false None (snd models.Head)
    ]

    let private plain = Recipe.plain

    let epochs =
        "--epochs N  times through the training images"
        |> Row.sets (Value.atLeast 1) (fun it draft -> { draft with Training.Epochs = it })
        |> Row.byDefaults [ for where, recipe in ofData -> where, string recipe.Epochs ]
        |> Row.decides

    let batchSizeUpTo least most =
        "--batch-size N  images in a batch"
        |> Row.sets (Value.between least most) (fun it draft -> { draft with Training.BatchSize = it })
        |> Row.byDefault plain.BatchSize

    let batchSize = batchSizeUpTo 1 Int32.MaxValue

    let private batchSizeOrAuto =
        $"--batch-size N  images in a batch; {Value.auto} for the largest power of two that fits into memory"
        |> Row.sets Value.batchSize (fun it draft ->
            match it with
            | Some size -> { draft with Training.BatchSize = size }
            | None -> { draft with FindBatchSize = true })
        |> Row.byDefault plain.BatchSize

    let seed =
        "--seed N  everything random in the run"
        |> Row.sets Value.seed (fun it draft -> { draft with Training.Seed = it })
        |> Row.byDefault plain.Seed

    let private clipping = [
        "--clip-norm X  scale a step's gradient down to this norm where its own is larger (default: it is taken as it is)"
        |> Row.sets Value.positive (fun it draft -> { draft with Training.Clipping = Some(Clipping.Norm it) })
        "--clip-value X  bring each number of the gradient between minus this and this (default: they are taken as they are)"
        |> Row.fits Value.positive (fun it draft ->
            match draft.Training.Clipping with
            | Some(Clipping.Norm _) -> Error "--clip-norm and --clip-value: expected one of them"
            | _ -> Ok { draft with Training.Clipping = Some(Clipping.Value it) })
    ]

    /// A change of how the layers before the last one are trained.
    let private ofBody option change (draft: Draft) : Result<Draft, string> =
        let body = change draft.Training.Body

        if draft.Init = "" && body <> BodyTraining.trained then
            Error $"--{option} is of a body that --init brings: --init is missing"
        else
            Ok { draft with Training.Body = body }

    /// In the order in which they change a recipe.
    let rows = [
        epochs
        "--max-steps N  end after this many steps, wherever in an epoch that is"
        |> Row.sets (Value.atLeastLong 1L) (fun it draft -> { draft with Training.MaxSteps = it })
        batchSizeOrAuto
        "--accumulate N  batches whose mean gradient makes one step"
        |> Row.sets (Value.atLeast 1) (fun it draft -> { draft with Training.Accumulate = it })
        |> Row.byDefault plain.Accumulate
        yield! OptimizerOptions.rows ofModels
        "--lr X  learning rate"
        |> Row.sets Value.positive (fun it draft -> { draft with Training.LearningRate = it })
        |> Row.byDefaults [ for name, (_, rate) in Recipe.optimizers -> name, Value.ofNumber rate ]
        |> Row.decides
        "--find-lr  look for the learning rate first: 100 steps from 1e-8 to 1; train at the rate where the loss fell fastest"
        |> Row.flag (fun draft -> { draft with FindRate = true })
        |> Row.owned Owner.Start
        yield! ScheduleOptions.rows ofData
        yield! clipping
        "--ema X  validate, keep and test the moving average of the weights that keeps this much of itself in a step, such as 0.999 (default: the weights themselves)"
        |> Row.sets (Value.within 0.0 0.999999) (fun it draft -> { draft with Training.Average = Some it })
        "--label-smoothing X  share of each label spread over all classes"
        |> Row.sets (Value.within 0.0 0.9999) (fun it draft -> {
            draft with
                Training.Objective = Objective.CrossEntropy it
        })
        |> Row.byDefault (let (Objective.CrossEntropy share) = plain.Objective in share)
        "--augment NAME  tutorial (random flips and crops) or none"
        |> Row.sets (Value.word "augmentation" Augment.named) (fun it draft -> { draft with Training.Augment = it })
        |> Row.byDefaults [
            for where, recipe in ofData do
                for name, augment in Augment.named do
                    if augment = recipe.Augment then
                        where, name
        ]
        "--no-shuffle  read the training images in their order"
        |> Row.flag (fun draft -> { draft with Training.Shuffle = false })
        "--no-drop-last  train on the last batch of an epoch even if it is smaller"
        |> Row.flag (fun draft -> { draft with Training.DropLast = false })
        "--freeze-body [N]  in the first N epochs, or in all, train the last layer alone; the rest, its norms included, stays as --init brought it (default: all is trained)"
        |> Row.fits Value.frozenEpochs (fun it -> ofBody "freeze-body" (fun body -> { body with FrozenEpochs = it }))
        "--body-lr-factor X  learning rate of the layers before the last one, which --init brings, in units of --lr"
        |> Row.fits Value.positive (fun it -> ofBody "body-lr-factor" (fun body -> { body with RateFactor = it }))
        |> Row.byDefault (Value.ofNumber plain.Body.RateFactor)
        seed
        "--log-every N  steps between two records of the training loss"
        |> Row.sets (Value.atLeast 1) (fun it draft -> { draft with Training.LogEvery = it })
        |> Row.byDefault plain.LogEvery
    ]

    /// The draft that rows start from, with the recipe of a model on some data. Everything not named stays as published.
    let startOf source (model: Model) given : Draft =
        let length = (Reading.ofRows [ epochs ] given Draft.start).Draft.Training.Epochs
        let named = if GivenOption.has epochs.Name given then Some length else None

        let size =
            match source, model.Input with
            | DataSource.Folder _, Shape.Image(_, height, width) -> struct (height, width)
            | _ -> Draft.start.Data.Size

        {
            Draft.start with
                Training = start source (GivenOption.has "init" given) named model
                Data.Size = size
        }

    /// What is wrong with a recipe as a whole.
    let check recipe = OptimizerOptions.check recipe @ ScheduleOptions.check recipe

    /// "epoch 2", "epochs 100 and 150".
    let private counted epochs =
        match epochs with
        | [ one ] -> $"epoch {one}"
        | many when many.Length > 5 ->
            let first = many |> List.truncate 3 |> List.map string |> String.concat ", "
            $"epochs {first} and {many.Length - 3} more"
        | several -> "epochs " + (several |> List.map string |> String.concat " and ")

    /// What the recipe has otherwise than its user may think, in sentences.
    let remarks (source: DataSource) (model: Model) (given: GivenOption list) (recipe: Recipe) : string list =
        let published = Recipe.published model
        let named = GivenOption.has "milestones" given
        let ends = counted [ recipe.Epochs ]

        match source, Schedule.main recipe.Schedule, published.Schedule with
        | _, Schedule.Milestones(epochs, _), _ when named && List.exists (fun epoch -> epoch >= recipe.Epochs) epochs ->
            let late = epochs |> List.filter (fun epoch -> epoch >= recipe.Epochs)
            [ $"the rate does not fall after {counted late}: the run ends after {ends}" ]
        | (DataSource.Cifar10 _ | DataSource.Cifar100 _), Schedule.Milestones(now, _), Schedule.Milestones(were, _) when
            not named && now <> were
            ->
            // Whole epochs of a very short run: the end of it is no milestone.
            let falls =
                match now |> List.filter (fun epoch -> epoch < recipe.Epochs) |> List.distinct with
                | [] -> "the rate does not fall"
                | reached -> $"the rate falls after {counted reached}"

            [
                $"{falls} instead of after {counted were}, since the run ends after {ends} and not {published.Epochs}; --milestones names others"
            ]
        | _ -> []
