/// Runs as lists of events, without a network.
module Hybrid.Tests.Callbacks.Stories

open Hybrid

/// The events of a run with so many steps an epoch, as the loop hands them out.
let story epochs steps every validates = [
    TrainingEvent.FitStarted(epochs, steps, 0, (if validates then 1 else 0))

    for epoch in 0 .. epochs - 1 do
        let first = int64 (epoch * steps)
        let last = first + int64 steps - 1L
        TrainingEvent.EpochStarted(epoch, first, 0.1 / float (epoch + 1))

        for step in first..last do
            if (step + 1L) % every = 0L then
                TrainingEvent.LossLogged(epoch, step, 2.0, 0.5)

            TrainingEvent.StepEnded(epoch, step, int (step - first), 0.1 / float (epoch + 1))

        TrainingEvent.EpochTrained(epoch, last, 1.5, 0.5)

        if validates then
            TrainingEvent.EpochValidated(epoch, last, 1.75, 0.25)

        TrainingEvent.EpochEnded(epoch, last)

    TrainingEvent.FitEnded(epochs, int64 (epochs * steps))
]
