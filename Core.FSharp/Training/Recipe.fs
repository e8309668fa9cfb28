namespace Hybrid

/// How a run trains the body of a network: the layers before the last one, which mostly come from weights that others have
/// trained.
type BodyTraining = {
    /// Epochs, from the first on, in which it is left as it is and the last layer alone is trained; batch norms then use the
    /// statistics that they have and change none.
    FrozenEpochs: int
    /// Its learning rate, in units of the run's.
    RateFactor: float
}

[<RequireQualifiedAccess>]
module BodyTraining =

    /// Trained like the last layer.
    let trained: BodyTraining = { FrozenEpochs = 0; RateFactor = 1.0 }

    /// Left as it is for the whole run.
    let frozen: BodyTraining = { trained with FrozenEpochs = System.Int32.MaxValue }

/// Everything that decides a run besides the network and the data.
type Recipe = {
    Epochs: int
    /// Ends the run after this many steps, wherever it is in an epoch; 0 for no limit.
    MaxSteps: int64
    BatchSize: int
    /// Batches whose gradients' mean makes one step. The last step of an epoch takes as many as are left.
    Accumulate: int
    Objective: Objective
    Optimizer: Optimizer
    LearningRate: float
    Schedule: Schedule
    Clipping: Clipping option
    /// Decay of an exponential moving average of the weights, which is then what is validated and kept.
    Average: float option
    Body: BodyTraining
    Augment: Augmentation list
    Shuffle: bool
    /// Leaves out a last batch that is smaller than the others.
    DropLast: bool
    Seed: int64
    /// Steps between two reports of the training loss.
    LogEvery: int
}

[<RequireQualifiedAccess>]
module Recipe =

    /// Momentum 0.9, weight decay 1e-4: the tutorial's for its residual networks.
    let sgd = Optimizer.Sgd { Momentum = 0.9; Dampening = 0.0; Nesterov = false; WeightDecay = 1e-4 }

    /// PyTorch's defaults with a weight decay of 1e-4: the tutorial's for its other networks.
    let adamW =
        Optimizer.Adam {
            Beta1 = 0.9
            Beta2 = 0.999
            Epsilon = 1e-8
            WeightDecay = 1e-4
            Decoupled = true
        }

    /// The same decay, joined to the gradient.
    let adam =
        Optimizer.Adam {
            Beta1 = 0.9
            Beta2 = 0.999
            Epsilon = 1e-8
            WeightDecay = 1e-4
            Decoupled = false
        }

    /// PyTorch's defaults with a weight decay of 1e-4.
    let rmsProp = Optimizer.RmsProp { Alpha = 0.99; Epsilon = 1e-8; Momentum = 0.0; WeightDecay = 1e-4 }

    /// Optimisers by name, each with the learning rate it starts from where none is given.
    let optimizers = [ "sgd", (sgd, 0.1); "adamw", (adamW, 1e-3); "adam", (adam, 1e-3); "rmsprop", (rmsProp, 1e-3) ]

    /// For networks of your own: SGD at a constant rate, nothing augmented.
    let plain: Recipe = {
        Epochs = 10
        MaxSteps = 0L
        BatchSize = 128
        Accumulate = 1
        Objective = Objective.plain
        Optimizer = sgd
        LearningRate = 0.1
        Schedule = Schedule.Constant
        Clipping = None
        Average = None
        Body = BodyTraining.trained
        Augment = []
        Shuffle = true
        DropLast = true
        Seed = 42L
        LogEvery = 50
    }

    /// An optimiser with some of its settings changed, by the names of its options.
    let private withSetting optimizer (name, value) =
        match optimizer, name with
        | Optimizer.Sgd p, "momentum" -> Optimizer.Sgd { p with Momentum = value }
        | Optimizer.Sgd p, "weight-decay" -> Optimizer.Sgd { p with WeightDecay = value }
        | Optimizer.Adam p, "weight-decay" -> Optimizer.Adam { p with WeightDecay = value }
        | Optimizer.RmsProp p, "momentum" -> Optimizer.RmsProp { p with Momentum = value }
        | Optimizer.RmsProp p, "weight-decay" -> Optimizer.RmsProp { p with WeightDecay = value }
        | Optimizer.RmsProp p, "alpha" -> Optimizer.RmsProp { p with Alpha = value }
        | Optimizer.RmsProp p, "eps" -> Optimizer.RmsProp { p with Epsilon = value }
        | optimizer, _ -> invalidOp $"{Optimizer.name optimizer} has no {name} that a model could be published with"

    let private schedule (words: Published) =
        let main =
            match words.Falls with
            | Falls.After(epochs, gamma) -> Schedule.Milestones(epochs, gamma)
            | Falls.Every(epochs, gamma) ->
                Schedule.Milestones([ words.WarmUp + epochs .. epochs .. words.Epochs - 1 ], gamma)
            | Falls.Cosine -> Schedule.Cosine 0.0

        if words.WarmUp = 0 then main else Schedule.WarmUp(words.WarmUp, 0.01, main)

    /// The recipe that a model's authors published. Throws `InvalidOperationException` where the model names an optimiser
    /// that is none of `optimizers`, or a setting that this one does not have.
    let published (model: Model) : Recipe =
        let words = model.Published

        let optimizer =
            match List.tryFind (fun (name, _) -> name = words.Optimizer) optimizers with
            | Some(_, (optimizer, _)) -> List.fold withSetting optimizer words.Settings
            | None ->
                let problem = Suggest.unknown "optimiser" (List.map fst optimizers) words.Optimizer
                invalidOp $"{model.Name} is published with an {problem}"

        {
            plain with
                Epochs = words.Epochs
                BatchSize = words.BatchSize
                Optimizer = optimizer
                LearningRate = words.LearningRate
                Schedule = schedule words
                Objective = Objective.CrossEntropy words.LabelSmoothing
                Average = words.Average
                Augment = Augment.tutorial
        }

    /// For weights that were trained on many images of another kind, on few of one's own: the last layer alone at first, since it
    /// starts anew, then all layers, those before it at a tenth of its rate, which rises for an epoch and falls along a
    /// cosine. Runs of a few epochs do without the first.
    let fineTuning epochs : Recipe =
        let few = epochs < 3

        {
            plain with
                Epochs = epochs
                BatchSize = 32
                Optimizer = adamW
                LearningRate = 1e-3
                Schedule =
                    if few then
                        Schedule.Cosine 0.0
                    else
                        Schedule.WarmUp(1, 0.1, Schedule.Cosine 0.0)
                Objective = Objective.CrossEntropy 0.1
                Body = { FrozenEpochs = (if few then 0 else 1); RateFactor = 0.1 }
                Augment = Augment.tutorial
        }

    /// How training images become the batches of a run of a network held at `placement`.
    let feed (recipe: Recipe) placement normalisation (train: Dataset) : Feed = {
        Feed.plain train normalisation placement recipe.BatchSize with
            Augment = recipe.Augment
    }

    /// The same for a run, which needs a whole batch and, where it gathers several, as many as that.
    let trainingFeed (recipe: Recipe) placement normalisation (train: Dataset) : Result<Feed, string> =
        let feed = feed recipe placement normalisation train
        let batches = Batch.count recipe.DropLast feed

        if batches = 0 then
            Error
                $"{train.Count} training images are fewer than one batch of {recipe.BatchSize}: lower --batch-size or give --no-drop-last"
        elif recipe.Accumulate > batches then
            Error
                $"--accumulate {recipe.Accumulate} gathers more than the {batches} batches that an epoch has: give at most {batches}"
        else
            Ok feed

    /// Steps of an epoch of so many batches.
    let stepsPerEpoch (recipe: Recipe) batches =
        batches / recipe.Accumulate + (if batches % recipe.Accumulate = 0 then 0 else 1)

    /// The learning rate at a place of the run, counted in steps from 0, where an epoch has so many steps and the run has
    /// come there with `left` steps fewer than that.
    let rateAt (recipe: Recipe) stepsPerEpoch left place =
        let whole = int64 recipe.Epochs * int64 stepsPerEpoch

        Schedule.rate recipe.Schedule recipe.LearningRate {
            Step = place
            StepsPerEpoch = stepsPerEpoch
            Steps = if recipe.MaxSteps > 0L then min (recipe.MaxSteps + left) whole else whole
        }

    /// The learning rate of a step, counted from 0 over a run of whole epochs of so many steps.
    let rate (recipe: Recipe) stepsPerEpoch step = rateAt recipe stepsPerEpoch 0L step

    /// The published recipe cut down to a few minutes: the rate falls twice, at the places of the tutorial's milestones.
    /// What was published with larger batches has those of `plain` and as much smaller a rate (Goyal et al., "Accurate,
    /// Large Minibatch SGD", 2017), and no average, which a short run would spend on forgetting the first weights.
    let short epochs (model: Model) =
        let at share = max 1 (int (round (share * float epochs)))
        let whole = published model
        let size = min whole.BatchSize plain.BatchSize

        {
            whole with
                Epochs = epochs
                BatchSize = size
                LearningRate = whole.LearningRate * float size / float whole.BatchSize
                Schedule = Schedule.Milestones([ at 0.6; at 0.85 ], 0.1)
                Average = None
        }
