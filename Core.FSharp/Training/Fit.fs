namespace Hybrid

open System
open System.Collections
open System.Collections.Generic
open System.Threading
open TorchSharp

/// A run as a sequence of events. Reading on trains on; to stop is to stop reading. Between two events nothing runs,
/// and `Position`, the optimiser's tensors and the network's weights are those of that moment.
[<Sealed>]
type Fit(recipe: Recipe, network: TorchModule, train: Feed, validation: Feed option, start: TrainingPosition) =

    let stepsPerEpoch = Recipe.stepsPerEpoch recipe (Batch.count recipe.DropLast train)
    let tally = new Tally(network.Weights.Placement.Device)
    let mutable started = 0

    let mutable state =
        let fresh = Loop.start recipe network stepsPerEpoch |> Loop.enter recipe network start.Epoch

        {
            fresh with
                Batch = start.Batch
                Step = start.Step
                Optimizer = { fresh.Optimizer with Steps = start.OptimizerSteps }
        }

    do tally.Restart start.Sums

    let mutable lastStep = if recipe.MaxSteps > 0L then recipe.MaxSteps else Int64.MaxValue
    let outOfSteps () = state.Step >= lastStep

    /// The steps of the rest of an epoch, none made before it is asked for, as many as the run has left.
    let stepsOf epoch =
        seq {
            let first = state.Batch * recipe.Accumulate
            let batches = Batch.epoch train recipe.Seed recipe.Shuffle recipe.DropLast epoch first
            use steps = (Loop.scan recipe network state batches).GetEnumerator()

            while not (outOfSteps ()) && steps.MoveNext() do
                yield steps.Current
        }

    let diverged epoch step metric loss =
        seq {
            if not (Double.IsFinite loss) then
                yield TrainingEvent.Diverged(epoch, step, metric, loss)
        }

    /// The rate of a step so many steps before the present place.
    let rateBefore steps = state.RateAt recipe (state.Place - steps)

    let log epoch step (metrics: BatchMetrics) =
        seq {
            if (step + 1L) % int64 recipe.LogEvery = 0L then
                let loss = metrics.Loss.``to``(torch.ScalarType.Float64).item<float>()
                yield TrainingEvent.LossLogged(epoch, step, loss, tally.Read().Accuracy)
                yield! diverged epoch step MetricName.TrainLoss loss
        }

    let opening epoch =
        if state.Batch > 0 then
            TrainingEvent.EpochResumed(epoch, state.Step, state.Batch)
        else
            tally.Restart Sums.zero
            TrainingEvent.EpochStarted(epoch, state.Step, rateBefore 0L)

    let trainEpoch epoch =
        seq {
            let first = state.Step

            for next, metrics in stepsOf epoch do
                state <- next
                tally.Add metrics
                let step = state.Step - 1L
                yield! log epoch step metrics
                yield TrainingEvent.StepEnded(epoch, step, state.Batch - 1, rateBefore 1L)

            let metrics = tally.Read()
            yield TrainingEvent.EpochTrained(epoch, state.Step - 1L, metrics.Loss, metrics.Accuracy)
            let lost = min (first + tally.FiniteBatches) (state.Step - 1L)
            yield! diverged epoch lost MetricName.TrainLoss metrics.Loss
        }

    let shown = state.Average |> Option.defaultValue network
    let mutable cancel = CancellationToken.None

    let evaluate feed =
        Inference.plain shown (fun forward ->
            let forward images =
                cancel.ThrowIfCancellationRequested()
                forward images

            Loop.measure Objective.plain forward (fun _ _ -> ()) feed)

    let validate epoch =
        seq {
            match validation with
            | Some feed ->
                let metrics = evaluate feed
                yield TrainingEvent.EpochValidated(epoch, state.Step - 1L, metrics.Loss, metrics.Accuracy)
                yield! diverged epoch (state.Step - 1L) MetricName.ValLoss metrics.Loss
            | None -> ()
        }

    let rec epochs () =
        seq {
            // An epoch whose steps are all done may still have to be validated.
            if state.Epoch < recipe.Epochs && not (outOfSteps () && state.Batch = 0) then
                let epoch = state.Epoch
                yield opening epoch
                yield! trainEpoch epoch
                yield! validate epoch
                state <- Loop.enter recipe network (epoch + 1) state
                yield TrainingEvent.EpochEnded(epoch, state.Step - 1L)
                yield! epochs ()
        }

    /// A loss that is not a number ends the run: the event that says so is the last.
    let untilDiverged (events: TrainingEvent seq) =
        seq {
            use events = events.GetEnumerator()
            let mutable diverged = false

            while not diverged && events.MoveNext() do
                diverged <- events.Current.IsDiverged
                yield events.Current
        }

    let events =
        seq {
            let validationImages = validation |> Option.map _.Data.Count |> Option.defaultValue 0
            yield TrainingEvent.FitStarted(recipe.Epochs, stepsPerEpoch, train.Data.Count, validationImages)
            yield! epochs ()
            yield TrainingEvent.FitEnded(state.Epoch, state.Step)
        }
        |> untilDiverged

    /// A run from its beginning.
    new(recipe, network, train, validation) = new Fit(recipe, network, train, validation, TrainingPosition.start)

    /// What decides the run besides the network and the data.
    member _.Recipe = recipe

    /// The network that is validated, and whose weights are to be kept: the moving average where the recipe has one,
    /// else the one that is trained.
    member _.Network = shown

    /// Steps of a whole epoch.
    member _.StepsPerEpoch = stepsPerEpoch

    /// Ends a validation that is under way, by an exception of the token: the run is then where the epoch's last step left
    /// it. Between two events the reader may stop by itself.
    member _.Cancel
        with get () = cancel
        and set token = cancel <- token

    /// No step is made after this one: what is left is to end the epoch, validation included, and the run.
    member _.Stop() = lastStep <- state.Step

    /// Where the run is. Reads the epoch's sums from the device.
    member _.Position: TrainingPosition = {
        Epoch = state.Epoch
        Batch = state.Batch
        Step = state.Step
        OptimizerSteps = state.Optimizer.Steps
        Left = state.Place - state.Step
        Sums = tally.Sums
    }

    /// What the optimiser remembers of each parameter that it trains: live views, under names such as
    /// `momentum_buffer.blocks.0.net.0.weight`. Where `Network` is a moving average, the weights that are trained too,
    /// as `weights.blocks.0.net.0.weight`.
    member _.OptimizerTensors: struct (string * Tensor) array =
        let keys = TrainableParameters.keys state.Trainable network.Weights

        [|
            for moment, flat in state.Optimizer.Moments do
                for key, view in network.Weights.ViewsOf flat do
                    if keys.Contains key then struct ($"{moment}.{key}", view) else view.Dispose()

            if state.Average.IsSome then
                for spec in network.Weights.Specs do
                    struct ($"weights.{spec.Key}", network.Weights[spec.Key].detach())
        |]

    interface IEnumerable<TrainingEvent> with
        /// Fails the second time: to read a run twice would be to train twice.
        member _.GetEnumerator() : IEnumerator<TrainingEvent> =
            if Interlocked.Exchange(&started, 1) = 1 then
                raise (InvalidOperationException "a run is read once: keep what you need of its events")

            events.GetEnumerator()

        member this.GetEnumerator() : IEnumerator = (this :> IEnumerable<TrainingEvent>).GetEnumerator() :> IEnumerator

    interface IDisposable with
        member _.Dispose() =
            (state :> IDisposable).Dispose()
            (tally :> IDisposable).Dispose()
