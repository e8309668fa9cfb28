namespace Hybrid

open System
open TorchSharp

/// A run between two steps. The weights belong to the module; what else a run keeps is here, to be disposed with it.
type TrainingState = {
    /// The epoch that the next step is in.
    Epoch: int
    /// The next step's place in that epoch. What a step reads counts as one batch, however many it is gathered from.
    Batch: int
    /// The next step.
    Step: int64
    /// Steps of a whole epoch: what schedules count in.
    StepsPerEpoch: int
    Trainable: TrainableParameters
    Optimizer: OptimizerState
    /// The moving average of the network, where the recipe has one.
    Average: TorchModule option
} with

    /// Steps of the whole epochs before the next step and of its own: where schedules see it, which speak of epochs.
    member state.Place = int64 state.Epoch * int64 state.StepsPerEpoch + int64 state.Batch

    /// The learning rate at a place of the run.
    member state.RateAt recipe place = Recipe.rateAt recipe state.StepsPerEpoch (state.Place - state.Step) place

    interface IDisposable with
        member state.Dispose() =
            (state.Optimizer :> IDisposable).Dispose()
            state.Average |> Option.iter _.Dispose()

/// A place in a run in plain numbers: with the weights and the optimiser's moments, all that it takes to go on from
/// there as if nothing had happened.
type TrainingPosition = {
    Epoch: int
    /// Steps of that epoch that are done.
    Batch: int
    /// Steps that are done.
    Step: int64
    OptimizerSteps: int64
    /// Steps that the epochs so far would have had besides, had each been whole and over the present images; fewer than
    /// none where the images were more before. 0 for a run that nothing of the kind has happened to.
    Left: int64
    /// Of the epoch so far.
    Sums: Sums
}

[<RequireQualifiedAccess>]
module TrainingPosition =

    /// Before the first step.
    let start: TrainingPosition = {
        Epoch = 0
        Batch = 0
        Step = 0L
        OptimizerSteps = 0L
        Left = 0L
        Sums = Sums.zero
    }

    /// Whether a run has come to its end there.
    let isOver (recipe: Recipe) (position: TrainingPosition) =
        position.Epoch >= recipe.Epochs
        || recipe.MaxSteps > 0L && position.Step >= recipe.MaxSteps && position.Batch = 0

    /// The place from which a run goes on over other images: epochs that are done stay done, however many steps they had,
    /// and one that was begun is begun anew.
    let rebase (position: TrainingPosition) : TrainingPosition = { position with Batch = 0; Sums = Sums.zero }

    /// More than the loss of any image comes to in float32.
    let private mostLoss = 3.5e38

    /// Whether a run over so many images, whose epochs have `stepsPerEpoch` steps, can be there.
    let check (recipe: Recipe) stepsPerEpoch (images: int) (position: TrainingPosition) : Result<unit, string> =
        let whole = int64 position.Epoch * int64 stepsPerEpoch + int64 position.Batch
        let most = if recipe.MaxSteps > 0L then recipe.MaxSteps else Int64.MaxValue

        let inline within name value least most rest =
            if value >= least && value <= most then
                rest ()
            else
                Error $"{name} is {value}, expected a number from {least} to {most}"

        // States of earlier versions do not say by how much the last epoch was cut short.
        let atItsEnd =
            position.Left = 0L
            && position.Step = recipe.MaxSteps
            && position.Batch = 0
            && whole - position.Step < int64 stepsPerEpoch

        let exactly rest =
            if position.Step = whole - position.Left || atItsEnd && position.Step <= whole then
                rest ()
            elif position.Left = 0L then
                Error
                    $"the step is {position.Step}, expected {whole} after {position.Epoch} epochs of {stepsPerEpoch} steps and {position.Batch} more"
            else
                Error
                    $"the step is {position.Step}, expected {whole - position.Left}: {whole} but for the {position.Left} that it says were left out"

        let ofEpoch = int64 (if recipe.DropLast then images - images % recipe.BatchSize else images)

        let seen = int64 position.Batch * int64 recipe.BatchSize * int64 recipe.Accumulate |> min ofEpoch

        // Between two epochs the sums are those of the one that ended, which may have been cut short.
        let least, greatest =
            if position.Batch > 0 then seen, seen
            elif position.Epoch > 0 then 0L, ofEpoch
            else 0L, 0L

        within "the epoch" (int64 position.Epoch) 0L (int64 recipe.Epochs)
        <| fun () ->
            let lastBatch = if position.Epoch = recipe.Epochs then 0 else stepsPerEpoch

            within "the place in the epoch" position.Batch 0 lastBatch
            <| fun () ->
                exactly
                <| fun () ->
                    within "the step" position.Step (int64 position.Epoch + int64 position.Batch) most
                    <| fun () ->
                        within "the optimiser's step" position.OptimizerSteps position.Step position.Step
                        <| fun () ->
                            within "the number of images" position.Sums.Count least greatest
                            <| fun () ->
                                within
                                    "the sum of losses"
                                    position.Sums.Loss
                                    0.0
                                    (float position.Sums.Count * mostLoss)
                                    Ok

/// Training as a fold: a step from one state to the next, an epoch as the fold of steps over batches.
[<RequireQualifiedAccess>]
module Loop =

    let private clear (gradient: Tensor) =
        use _ = torch.NewDisposeScope()
        gradient.zero_ () |> ignore

    /// Adds the gradient of the loss of a batch to the sums of gradients.
    let private accumulate (recipe: Recipe) (network: TorchModule) draws (batch: Batch) : BatchMetrics =
        use _ = torch.NewDisposeScope()
        use generator: torch.Generator | null = draws ()
        use pass = network.pass (batch.Images, generator)
        let loss = Objective.loss recipe.Objective pass.Output batch.Labels
        loss.backward ()
        pass.Backward()
        BatchMetrics.make loss pass.Output batch.Labels

    let private isFrozen (recipe: Recipe) epoch = epoch < recipe.Body.FrozenEpochs

    /// What is trained in an epoch.
    let private trainable recipe weights epoch =
        if isFrozen recipe epoch then
            TrainableParameters.head weights
        else
            TrainableParameters.all weights

    /// The state at the beginning of an epoch, counted from 0: of what is trained from there on, and of nothing else, gradients
    /// are asked for.
    let enter recipe (network: TorchModule) epoch (state: TrainingState) : TrainingState =
        let trainable = trainable recipe network.Weights epoch

        if trainable <> state.Trainable then
            TrainableParameters.ask trainable network.Weights

        { state with Epoch = epoch; Batch = 0; Trainable = trainable }

    /// The rate of each part that is trained, where the head's is `rate`.
    let private rates (recipe: Recipe) weights (state: TrainingState) rate =
        if recipe.Body.RateFactor = 1.0 || isFrozen recipe state.Epoch then
            [ rate, state.Trainable ]
        else
            let head = TrainableParameters.head weights
            let body = TrainableParameters.without head state.Trainable
            (rate, head) :: [ for part in body -> rate * recipe.Body.RateFactor, part ]

    /// One step: the mean gradient of the losses of some batches, each read once, and the change of the weights that
    /// follows from it.
    let step
        (recipe: Recipe)
        (network: TorchModule)
        (state: TrainingState)
        (batches: Batch seq)
        : TrainingState * BatchMetrics =
        // A frozen body is evaluated: it counts no batches and measures none.
        let frozen = isFrozen recipe state.Epoch

        if network.training = frozen then
            network.train (not frozen)

        let gradient = network.Weights.Grad
        clear gradient
        // Layers that are random in training: their numbers follow from the step's place in the run as well.
        let isRandom = Plan.isRandom network.Plan

        let drawsOf place () : torch.Generator | null =
            if isRandom then
                Randomness.generator recipe.Seed Purpose.Noise state.Epoch (state.Batch * recipe.Accumulate + place)
            else
                null

        let metrics = [ for place, batch in Seq.indexed batches -> accumulate recipe network (drawsOf place) batch ]

        // What TorchSharp leaves to the garbage collector are a few bytes each, of which the collector thinks it has time. They
        // lie between the large tensors and keep the allocator from joining what is free.
        GC.Collect 0
        // Opened only now: a batch that is read inside a scope would be disposed with it.
        use _ = torch.NewDisposeScope()

        if metrics.Length > 1 then
            gradient.div_ (scalar (float metrics.Length)) |> ignore

        recipe.Clipping |> Option.iter (fun clipping -> Clipping.apply clipping gradient)
        let rate = state.RateAt recipe state.Place
        let parts = rates recipe network.Weights state rate
        let optimizer = Optimizer.step recipe.Optimizer parts network.Weights state.Optimizer

        match recipe.Average, state.Average with
        | Some decay, Some average -> Average.step decay state.Step network average
        | _ -> ()

        {
            state with
                Batch = state.Batch + 1
                Step = state.Step + 1L
                Optimizer = optimizer
        },
        BatchMetrics.merge metrics

    /// Mean loss and hits of a function from images to logits over a whole set. Each batch's logits `[N, classes]` and
    /// labels `[N]` are shown to `see`, which they do not outlive.
    let measure objective (forward: Tensor -> Tensor) (see: Tensor -> Tensor -> unit) (feed: Feed) : Metrics =
        use tally = new Tally(feed.Placement.Device)
        use _ = torch.no_grad ()

        for batch in Batch.epoch feed 0L false false 0 0 do
            use _ = torch.NewDisposeScope()
            use batch = batch
            let logits = forward batch.Images
            use metrics = BatchMetrics.make (Objective.loss objective logits batch.Labels) logits batch.Labels
            tally.Add metrics
            see logits batch.Labels

        tally.Read()

    /// Mean loss and hits of a network over a whole set; the network is left as it was.
    let evaluate objective (network: TorchModule) (feed: Feed) : Metrics =
        Inference.plain network (fun forward -> measure objective forward (fun _ _ -> ()) feed)

    /// Before the first step of a run with so many steps in an epoch.
    let start (recipe: Recipe) (network: TorchModule) stepsPerEpoch : TrainingState =
        let weights = network.Weights
        let trainable = trainable recipe weights 0
        TrainableParameters.ask trainable weights

        {
            Epoch = 0
            Batch = 0
            Step = 0L
            StepsPerEpoch = stepsPerEpoch
            Trainable = trainable
            Optimizer = Optimizer.start recipe.Optimizer weights
            Average = recipe.Average |> Option.map (fun _ -> Average.start network)
        }

    /// Groups of `size` batches, the last of as many as are left. Each group is read once and in its turn; a batch is
    /// disposed as soon as the reader has moved on.
    let private groups size (batches: Batch seq) : Batch seq seq =
        seq {
            use all = batches.GetEnumerator()

            while all.MoveNext() do
                yield
                    seq {
                        let mutable left = size

                        while left > 0 do
                            use batch = all.Current
                            yield batch
                            left <- if left > 1 && all.MoveNext() then left - 1 else 0
                    }
        }

    /// The states that a run passes through as it reads batches, each with what its step came to: a fold that shows
    /// its accumulator. Disposes batches, and the metrics once the reader has moved on.
    let scan recipe network (state: TrainingState) (batches: Batch seq) : (TrainingState * BatchMetrics) seq =
        seq {
            let mutable state = state

            for group in groups recipe.Accumulate batches do
                let next, metrics = step recipe network state group
                use metrics = metrics
                state <- next
                yield next, metrics
        }

    /// Training as a plain fold over batches: where it leads, without looking at how it goes.
    let fold recipe network (state: TrainingState) (batches: Batch seq) : TrainingState =
        scan recipe network state batches |> Seq.fold (fun _ (state, _) -> state) state
