namespace Hybrid

open System
open System.Threading
open TorchSharp

/// A test of learning rates: one step at each, from the first to the last in equal factors. Smith, "Cyclical Learning
/// Rates for Training Neural Networks", 2017, section 3.3.
type RateSweep = {
    First: float
    Last: float
    Steps: int
    /// Ends before the last rate where the smoothed loss is this many times its best.
    Patience: float
}

/// One step of a sweep.
type RatePoint = {
    Rate: float
    /// Of the step's batch, before the step.
    Loss: float
    /// The average of the losses so far, the latest counting most.
    Smoothed: float
}

/// From a sweep through the learning rates to one to train at.
[<RequireQualifiedAccess>]
module RateFinder =

    /// PyTorch Lightning's defaults.
    let sweep = { First = 1e-8; Last = 1.0; Steps = 100; Patience = 4.0 }

    /// Share that the average keeps of itself at each step.
    let private beta = 0.98

    /// Points at both ends of the curve that no suggestion is taken from: the average has yet to settle, or is about
    /// to run away.
    let private skipFirst, skipLast = 10, 1

    /// The rate of a step, counted from 0, as Lightning's scheduler gives it: the second step is at the third rate of
    /// an even division, the last at `Last`.
    let rate (sweep: RateSweep) step =
        if step = 0 then
            sweep.First
        else
            sweep.First * (sweep.Last / sweep.First) ** (float (step + 1) / float sweep.Steps)

    /// The curve of the losses of a sweep's steps. No loss is asked for once the curve has run away.
    let curve (sweep: RateSweep) (losses: float seq) : RatePoint seq =
        seq {
            use losses = losses.GetEnumerator()
            let mutable step, average, best, going = 0, 0.0, infinity, true

            while going && step < sweep.Steps && losses.MoveNext() do
                let loss = losses.Current
                average <- beta * average + (1.0 - beta) * loss
                // An average of few numbers that begins at zero is too small.
                let smoothed = average / (1.0 - beta ** float (step + 1))
                yield { Rate = rate sweep step; Loss = loss; Smoothed = smoothed }
                going <- Double.IsFinite smoothed && not (step > 1 && smoothed > sweep.Patience * best)
                best <- min best smoothed
                step <- step + 1
        }

    /// The rate at which the smoothed loss falls fastest from step to step; `None` where the curve is too short to
    /// tell. A slope is half the difference of the two neighbours, at the ends the difference to the one there is.
    let suggestion (points: RatePoint array) : float option =
        let inner = points |> Array.filter (fun point -> Double.IsFinite point.Smoothed)
        let count = inner.Length - skipFirst - skipLast

        if count < 2 then
            None
        else
            let inner = Array.sub inner skipFirst count

            let slope place =
                let before, after = max 0 (place - 1), min (count - 1) (place + 1)
                (inner[after].Smoothed - inner[before].Smoothed) / float (after - before)

            Some inner[Array.init count slope |> Array.indexed |> Array.minBy snd |> fst].Rate

    /// Trains a network through a sweep on the batches of a feed, as the recipe would but for the rate. The network is
    /// of no use afterwards. Ends within a step when it is cancelled, by an exception.
    let run
        (cancel: CancellationToken)
        (sweep: RateSweep)
        (recipe: Recipe)
        (network: TorchModule)
        (feed: Feed)
        : RatePoint array =
        let perEpoch = Batch.count recipe.DropLast feed
        let mutable state = Loop.start recipe network perEpoch

        let at step = { recipe with LearningRate = rate sweep step; Schedule = Schedule.Constant }

        try
            Seq.initInfinite (fun epoch -> Batch.epoch feed recipe.Seed recipe.Shuffle recipe.DropLast epoch 0)
            |> Seq.concat
            |> Seq.mapi (fun step batch ->
                use batch = batch
                cancel.ThrowIfCancellationRequested()
                let next, metrics = Loop.step (at step) network state [ batch ]
                use metrics = metrics
                state <- next
                metrics.Loss.``to``(torch.ScalarType.Float64).item<float>())
            |> curve sweep
            |> Array.ofSeq
        finally
            (state :> IDisposable).Dispose()
