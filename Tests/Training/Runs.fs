/// Runs of a tiny network over ten images.
module Hybrid.Tests.Training.Runs

open Hybrid
open Hybrid.Tests.Training.SmallData

let input = Shape.Image(3, 8, 8)

let data = imagesOf 10 3 8 10

let others = imagesOf 6 3 8 10

/// Events of a run, and the network that it trained.
let fit recipe validation =
    let network = build Placement.cpu 1 input tiny

    use run =
        new Fit(recipe, network, { feed recipe.BatchSize data with Augment = recipe.Augment }, validation)

    List.ofSeq run, network

let events recipe validation =
    let events, network = fit recipe validation
    network.Dispose()
    events

/// An event without its measured numbers.
let told event =
    match event with
    | TrainingEvent.FitStarted(epochs, steps, train, validation) -> $"start {epochs} {steps} {train} {validation}"
    | TrainingEvent.EpochStarted(epoch, step, rate) -> $"epoch {epoch} at {step} with {rate}"
    | TrainingEvent.EpochResumed(epoch, step, batch) -> $"again {epoch} {step} {batch}"
    | TrainingEvent.StepEnded(epoch, step, batch, _) -> $"step {epoch} {step} {batch}"
    | TrainingEvent.LossLogged(epoch, step, _, _) -> $"loss {epoch} {step}"
    | TrainingEvent.EpochTrained(epoch, step, _, _) -> $"trained {epoch} {step}"
    | TrainingEvent.EpochValidated(epoch, step, _, _) -> $"validated {epoch} {step}"
    | TrainingEvent.EpochEnded(epoch, step) -> $"end {epoch} {step}"
    | TrainingEvent.Diverged(epoch, step, metric, _) -> $"diverged {epoch} {step} {metric}"
    | TrainingEvent.FitEnded(epochs, steps) -> $"done {epochs} {steps}"

let losses events =
    events
    |> List.choose (function
        | TrainingEvent.LossLogged(_, _, loss, _) -> Some loss
        | _ -> None)
