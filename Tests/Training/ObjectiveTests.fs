module Hybrid.Tests.Training.ObjectiveTests

open System
open Expecto
open TorchSharp
open Hybrid
open Hybrid.Tests.Modules.Reference

let private logits = [| 1.0; 2.0; -1.0; 0.5; 0.5; 3.0 |]
let private labels = [| 1L; 0L |]

/// Mean over two images of three classes, from the definition.
let private expected smoothing =
    List.average [
        for image in 0..1 do
            let row = logits[3 * image .. 3 * image + 2]
            let total = row |> Array.sumBy exp
            let surprise index = log total - row[index]
            let even = List.average [ for index in 0..2 -> surprise index ]
            yield (1.0 - smoothing) * surprise (int labels[image]) + smoothing * even
    ]

let tests =
    testList "objective and metrics" [
        testCase "cross-entropy, with and without smoothing, in every precision"
        <| fun () ->
            use _ = torch.NewDisposeScope()

            for smoothing in [ 0.0; 0.1 ] do
                for dtype, tolerance in
                    [ torch.ScalarType.Float64, 1e-15; torch.ScalarType.Float32, 1e-6; torch.ScalarType.BFloat16, 1e-6 ] do
                    let x = torch.tensor(logits).view(2L, 3L).``to`` dtype
                    let loss = Objective.loss (Objective.CrossEntropy smoothing) x (torch.tensor labels)
                    // These logits are exact in half precision; the loss itself is not computed in it.
                    Expect.isLessThan (abs ((numbers loss)[0] - expected smoothing)) tolerance $"{dtype}, {smoothing}"

        testCase "sums over batches of different size"
        <| fun () ->
            use _ = torch.NewDisposeScope()
            use tally = new Tally(torch.CPU)

            let batch (loss: float) (rows: float list list) (labels: int64 list) =
                let logits = torch.tensor(rows |> List.concat |> Array.ofList).view(int64 rows.Length, -1L)
                use metrics = BatchMetrics.make (torch.tensor loss) logits (torch.tensor (Array.ofList labels))
                tally.Add metrics

            batch 1.0 [ [ 0.0; 1.0 ]; [ 2.0; 1.0 ]; [ 0.0; 3.0 ] ] [ 1L; 0L; 0L ]
            batch 5.0 [ [ 0.0; 1.0 ] ] [ 1L ]
            let metrics = tally.Read()
            Expect.equal (metrics.Count, metrics.Correct) (4L, 3L) "counts"
            Expect.equal (metrics.Loss, metrics.Accuracy) (2.0, 0.75) "averages"

        testCase "no images, no accuracy"
        <| fun () -> Expect.isTrue (Double.IsNaN (Sums.average Sums.zero).Accuracy) "not a number"
    ]
