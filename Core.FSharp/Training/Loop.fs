namespace Hybrid

open System
open System.Collections
open System.Collections.Generic
open System.Threading
open TorchSharp

/// What happens in a run, in order. Plain numbers: nothing here keeps a tensor alive. Epochs and steps count from 0,
/// steps over the whole run.
[<RequireQualifiedAccess>]
type TrainingEvent =
    | FitStarted of Epochs: int * StepsPerEpoch: int * TrainImages: int * ValImages: int
    | EpochStarted of Epoch: int * Step: int64 * LearningRate: float
    /// After every step; the loss is on the device still.
    | StepEnded of Epoch: int * Step: int64 * Batch: int
    /// The loss of one step, every so many steps.
    | LossLogged of Epoch: int * Step: int64 * Loss: float
    | EpochTrained of Epoch: int * Step: int64 * Loss: float * Accuracy: float
    | EpochValidated of Epoch: int * Step: int64 * Loss: float * Accuracy: float
    | EpochEnded of Epoch: int * Step: int64
    /// The loss of a step was not a number: the run ends here.
    | Diverged of Epoch: int * Step: int64 * Loss: float
    | FitEnded of Epochs: int * Steps: int64

/// A run between two steps. The weights belong to the module.
type TrainingState = {
    /// The epoch that the next step is in.
    Epoch: int
    /// The next step's batch in that epoch.
    Batch: int
    /// The next step.
    Step: int64
    Optimizer: OptimizerState
}

/// What one step says of itself; still on the device.
type StepMetrics = {
    Loss: Tensor
    Logits: Tensor
} with

    interface IDisposable with
        member metrics.Dispose() =
            metrics.Loss.Dispose()
            metrics.Logits.Dispose()

[<RequireQualifiedAccess>]
module Loop =

    /// One step: the gradient of the loss of a batch, and the change of the weights that follows from it.
    let step
        (recipe: Recipe)
        (network: TorchModule)
        (state: TrainingState)
        (batch: Batch)
        : TrainingState * StepMetrics =
        use _ = torch.NewDisposeScope()
        network.Weights.Grad.zero_ () |> ignore
        let logits = network.forward batch.Images
        let loss = Objective.loss recipe.Objective logits batch.Labels
        loss.backward ()

        let rate = Schedule.rate recipe.Schedule recipe.LearningRate state.Epoch
        let optimizer = Optimizer.step recipe.Optimizer rate network.Weights state.Optimizer

        {
            state with
                Batch = state.Batch + 1
                Step = state.Step + 1L
                Optimizer = optimizer
        },
        {
            Loss = loss.detach().MoveToOuterDisposeScope()
            Logits = logits.detach().MoveToOuterDisposeScope()
        }

    /// Mean loss and hits over a whole set; the network is left as it was.
    let evaluate objective (network: TorchModule) (feed: Feed) : Metrics =
        let training = network.training
        network.eval ()
        use tally = new Tally(feed.Placement.Device)
        use _ = torch.no_grad ()

        for batch in Batch.epoch feed 0L false false 0 0 do
            use _ = torch.NewDisposeScope()
            use batch = batch
            let logits = network.forward batch.Images
            tally.Add(Objective.loss objective logits batch.Labels, logits, batch.Labels)

        network.train training
        tally.Read()

    /// Before the first step.
    let start (recipe: Recipe) (network: TorchModule) : TrainingState = {
        Epoch = 0
        Batch = 0
        Step = 0L
        Optimizer = Optimizer.start recipe.Optimizer network.Weights
    }

/// A run as a sequence of events. Reading on trains on; to stop is to stop reading. Between two events nothing runs,
/// and `State` and the network's weights are those of that moment.
[<Sealed>]
type Fit(recipe: Recipe, network: TorchModule, train: Feed, validation: Feed option) =

    let mutable state = Loop.start recipe network
    let mutable started = 0
    let stepsPerEpoch = Batch.count recipe.DropLast train

    let outOfSteps () = recipe.MaxSteps > 0L && state.Step >= recipe.MaxSteps

    let trainEpoch epoch =
        seq {
            use tally = new Tally(network.Weights.Placement.Device)
            network.train true
            let mutable diverged = false
            use batches = (Batch.epoch train recipe.Seed recipe.Shuffle recipe.DropLast epoch 0).GetEnumerator()

            while not diverged && not (outOfSteps ()) && batches.MoveNext() do
                let step, number = state.Step, state.Batch
                use batch = batches.Current
                let next, metrics = Loop.step recipe network state batch
                use metrics = metrics
                tally.Add(metrics.Loss, metrics.Logits, batch.Labels)
                state <- next

                if (step + 1L) % int64 recipe.LogEvery = 0L then
                    let loss = metrics.Loss.``to``(torch.ScalarType.Float64).item<float>()
                    yield TrainingEvent.LossLogged(epoch, step, loss)

                    if not (Double.IsFinite loss) then
                        diverged <- true
                        yield TrainingEvent.Diverged(epoch, step, loss)

                yield TrainingEvent.StepEnded(epoch, step, number)

            if not diverged then
                let metrics = tally.Read()
                yield TrainingEvent.EpochTrained(epoch, state.Step - 1L, metrics.Loss, metrics.Accuracy)

                if not (Double.IsFinite metrics.Loss) then
                    yield TrainingEvent.Diverged(epoch, state.Step - 1L, metrics.Loss)
        }

    let validate epoch =
        seq {
            match validation with
            | Some feed ->
                let metrics = Loop.evaluate recipe.Objective network feed
                yield TrainingEvent.EpochValidated(epoch, state.Step - 1L, metrics.Loss, metrics.Accuracy)
            | None -> ()
        }

    let rec epochs () =
        seq {
            if state.Epoch < recipe.Epochs && not (outOfSteps ()) then
                let epoch = state.Epoch
                let rate = Schedule.rate recipe.Schedule recipe.LearningRate epoch
                yield TrainingEvent.EpochStarted(epoch, state.Step, rate)
                let mutable diverged = false

                for event in trainEpoch epoch do
                    diverged <- diverged || event.IsDiverged
                    yield event

                if not diverged then
                    yield! validate epoch

                    state <- { state with Epoch = epoch + 1; Batch = 0 }

                    yield TrainingEvent.EpochEnded(epoch, state.Step - 1L)
                    yield! epochs ()
        }

    let events =
        seq {
            let validationImages = validation |> Option.map _.Data.Count |> Option.defaultValue 0
            yield TrainingEvent.FitStarted(recipe.Epochs, stepsPerEpoch, train.Data.Count, validationImages)
            yield! epochs ()
            yield TrainingEvent.FitEnded(state.Epoch, state.Step)
        }

    member _.Recipe = recipe

    member _.Network = network

    member _.StepsPerEpoch = stepsPerEpoch

    /// Where the run is.
    member _.State = state

    interface IEnumerable<TrainingEvent> with
        /// Fails the second time: to read a run twice would be to train twice.
        member _.GetEnumerator() : IEnumerator<TrainingEvent> =
            if Interlocked.Exchange(&started, 1) = 1 then
                raise (InvalidOperationException "a run is read once: keep what you need of its events")

            events.GetEnumerator()

        member this.GetEnumerator() : IEnumerator = (this :> IEnumerable<TrainingEvent>).GetEnumerator() :> IEnumerator

    interface IDisposable with
        member _.Dispose() = (state.Optimizer :> IDisposable).Dispose()
