namespace Hybrid

open TorchSharp

/// A run between two steps. The weights belong to the module.
type TrainingState = {
    /// The epoch that the next step is in.
    Epoch: int
    /// The next step's batch in that epoch.
    Batch: int
    /// The next step.
    Step: int64
    /// Steps of a whole epoch: what schedules count in.
    StepsPerEpoch: int
    Optimizer: OptimizerState
}

/// A place in a run in plain numbers: with the weights and the optimiser's moments, all that it takes to go on from
/// there as if nothing had happened.
type TrainingPosition = {
    Epoch: int
    /// Batches of that epoch that are done.
    Batch: int
    /// Steps that are done.
    Step: int64
    OptimizerSteps: int64
    /// Of the epoch so far.
    Sums: Sums
}

[<RequireQualifiedAccess>]
module TrainingPosition =

    let start: TrainingPosition = { Epoch = 0; Batch = 0; Step = 0L; OptimizerSteps = 0L; Sums = Sums.zero }

[<RequireQualifiedAccess>]
module Loop =

    /// One step: the gradient of the loss of a batch, and the change of the weights that follows from it.
    let step
        (recipe: Recipe)
        (network: TorchModule)
        (state: TrainingState)
        (batch: Batch)
        : TrainingState * BatchMetrics =
        use _ = torch.NewDisposeScope()
        network.Weights.Grad.zero_ () |> ignore
        let logits = network.forward batch.Images
        let loss = Objective.loss recipe.Objective logits batch.Labels
        loss.backward ()

        let rate = Recipe.rate recipe state.StepsPerEpoch state.Step
        let optimizer = Optimizer.step recipe.Optimizer rate network.Weights state.Optimizer

        {
            state with
                Batch = state.Batch + 1
                Step = state.Step + 1L
                Optimizer = optimizer
        },
        BatchMetrics.make loss logits batch.Labels

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
    let start (recipe: Recipe) (network: TorchModule) stepsPerEpoch : TrainingState = {
        Epoch = 0
        Batch = 0
        Step = 0L
        StepsPerEpoch = stepsPerEpoch
        Optimizer = Optimizer.start recipe.Optimizer network.Weights
    }

    /// The states that a run passes through as it reads batches, each with what its step came to: a fold that shows
    /// its accumulator. Disposes batches and metrics once the reader has moved on.
    let scan recipe network (state: TrainingState) (batches: Batch seq) : (TrainingState * BatchMetrics) seq =
        seq {
            let mutable state = state

            for batch in batches do
                use batch = batch
                let next, metrics = step recipe network state batch
                use metrics = metrics
                state <- next
                yield next, metrics
        }

    /// Training as a plain fold over batches: where it leads, without looking at how it goes.
    let fold recipe network (state: TrainingState) (batches: Batch seq) : TrainingState =
        scan recipe network state batches |> Seq.fold (fun _ (state, _) -> state) state
