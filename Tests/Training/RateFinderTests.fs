module Hybrid.Tests.Training.RateFinderTests

open Expecto
open Hybrid
open Hybrid.Tests.Training.SmallData

/// Falls from 2.3 to 0.8 around step 60, then runs away.
let private losses = [
    for i in 0..99 do
        let x = float i
        let run = if i > 85 then 0.3 * (x - 85.0) ** 2.0 else 0.0
        2.3 - 1.5 / (1.0 + exp (-(x - 60.0) / 5.0)) + 0.05 * sin x + run
]

let private close (expected: float) actual what =
    Expect.floatClose { absolute = 0.0; relative = 1e-12 } actual expected what

let private point rate smoothed = { Rate = rate; Loss = smoothed; Smoothed = smoothed }

let tests =
    testList "rate finder" [
        // From these losses, by Lightning's definitions with PyTorch's gradient:
        //   lr = [1e-8 if i == 0 else 1e-8 * (1 / 1e-8) ** ((i + 1) / 100) for i in range(100)]
        //   avg, best, smooth = 0.0, math.inf, []
        //   for i, loss in enumerate(losses):
        //       avg = 0.98 * avg + 0.02 * loss
        //       smooth.append(avg / (1 - 0.98 ** (i + 1)))
        //       if i > 1 and smooth[-1] > 4 * best: break
        //       best = min(best, smooth[-1])
        //   at = torch.argmin(torch.gradient(torch.tensor(smooth[10:-1], dtype=torch.float64))[0]).item() + 10
        test "rates, smoothing, end and suggestion as PyTorch counts them" {
            let curve = RateFinder.curve RateFinder.sweep losses |> Array.ofSeq
            Expect.equal curve.Length 99 "ended by a loss of more than four times the best"
            close 1e-8 curve[0].Rate "the first rate"
            close 1.4454397707459274e-08 curve[1].Rate "the second"
            close 0.00012022644346174131 curve[50].Rate "one in the middle"
            close 2.299990783738094 curve[0].Smoothed "the first loss"
            close 2.269256024249916 curve[50].Smoothed "one in the middle"
            close 6.744512050594863 curve[98].Smoothed "the last"
            close 0.002754228703338169 (RateFinder.suggestion curve |> Option.get) "where it falls fastest"
            close 1.0 (RateFinder.rate RateFinder.sweep 99) "the last rate"
        }

        test "no loss is asked for once the curve has run away" {
            let asked = ResizeArray<int>()

            let curve =
                Seq.initInfinite (fun i ->
                    asked.Add i
                    if i < 20 then 1.0 else nan)
                |> RateFinder.curve RateFinder.sweep
                |> Array.ofSeq

            Expect.equal curve.Length 21 "up to the loss that is no number"
            Expect.equal asked.Count 21 "and no further"
        }

        test "what is not finite, and both ends, are no suggestion" {
            let rates = Array.init 40 float
            // The steepest falls are at the very beginning and at the end.
            let smoothed = [|
                for i in 0..39 ->
                    if i < 5 then 100.0 - 10.0 * float i
                    elif i = 39 then -100.0
                    else 50.0
            |]

            smoothed[25] <- 49.0
            let suggested = RateFinder.suggestion (Array.map2 point rates smoothed)
            Expect.equal suggested (Some 24.0) "before the small fall in the middle"

            Expect.equal
                (RateFinder.suggestion (Array.map2 point rates smoothed |> Array.take 12))
                None
                "too short to tell"
        }

        test "a sweep changes its own network, and reads the batches that a run would" {
            let data = imagesOf 24 3 8 10
            let recipe = { Recipe.plain with BatchSize = 8; Seed = 3L }
            use network = build Placement.cpu 0 (Shape.Image(3, 8, 8)) tiny
            use other = build Placement.cpu 0 (Shape.Image(3, 8, 8)) tiny
            let short = { RateFinder.sweep with Steps = 5 }
            let points = RateFinder.run System.Threading.CancellationToken.None short recipe network (feed 8 data)
            Expect.equal points.Length 5 "through more than one epoch"
            Expect.all points (fun point -> point.Loss > 0.0) "losses"

            Expect.notEqual
                (network.Weights.Flat.sum().item<float32>())
                (other.Weights.Flat.sum().item<float32>())
                "trained"

            let first =
                use state = Loop.start recipe other 3
                let batch = Batch.epoch (feed 8 data) 3L true true 0 0 |> Seq.head
                let _, metrics = Loop.step recipe other state [ batch ]
                float (metrics.Loss.item<float32>())

            Expect.equal points[0].Loss first "the loss of a run's first batch"
        }
    ]
