module Hybrid.Tests.Training.DiagnosisTests

open Expecto
open TorchSharp
open Hybrid
open Hybrid.Tests.Modules.Reference
open Hybrid.Tests.Training.SmallData

let private answer label guess confidence : Answer = { Label = label; Guess = guess; Confidence = confidence }

let private metrics: Metrics = { Count = 5L; Correct = 3L; Loss = 1.0 }

/// Three classes, the last of which nobody is of; two of five answers are wrong.
let private five = [| answer 0 0 0.95; answer 0 1 0.65; answer 1 1 0.61; answer 1 1 0.35; answer 1 2 1.0 |]

let private diagnosed = Diagnosis.ofAnswers 3 metrics five

let private close expected actual what = Expect.floatClose Accuracy.veryHigh actual expected what

let private byHand =
    testList "by hand" [
        test "who was taken for whom" {
            Expect.equal
                [ for confusion in diagnosed.Confusions -> confusion.Label, confusion.Guess, confusion.Count ]
                [ 0, 0, 1; 0, 1, 1; 1, 1, 2; 1, 2, 1 ]
                "by label and guess"
        }

        test "each class" {
            let counts = [ for result in diagnosed.Classes -> result.Count, result.Correct, result.Guessed ]
            Expect.equal counts [ 2, 1, 1; 3, 2, 3; 0, 0, 1 ] "images, hits, guesses"
            close 0.5 diagnosed.Classes[0].Recall "one of two found"
            close (2.0 / 3.0) diagnosed.Classes[1].Precision "two of three guesses right"
            Expect.isTrue (System.Double.IsNaN diagnosed.Classes[2].Recall) "nobody to find"
        }

        test "bins of confidence and the calibration error" {
            let filled = [
                for place, bin in Array.indexed diagnosed.Bins do
                    if bin.Count > 0 then
                        place, bin.Count, bin.Accuracy
            ]
            // A fifteenth is 0.0667: 0.35 lies in the 6th, 0.61 and 0.65 in the 10th, 0.95 and 1 in the last.
            Expect.equal filled [ 5, 1, 1.0; 9, 2, 0.5; 14, 2, 0.5 ] "bin, images, accuracy"
            close 0.63 diagnosed.Bins[9].Confidence "mean of 0.61 and 0.65"
            close (3.56 / 5.0) diagnosed.MeanConfidence "mean of all five"
            // (1·|1 − 0.35| + 2·|0.5 − 0.63| + 2·|0.5 − 0.975|) / 5
            close ((0.65 + 0.26 + 0.95) / 5.0) diagnosed.CalibrationError "weighed by images"
        }

        test "a confidence on an edge belongs to the bin below it" {
            let bins = (Diagnosis.ofAnswers 1 metrics [| answer 0 0 (1.0 / 15.0); answer 0 0 0.0 |]).Bins
            Expect.equal bins[0].Count 2 "at most a fifteenth"
        }

        test "mistakes, the surest first" {
            Expect.equal
                [
                    for mistake in diagnosed.Mistakes -> mistake.Image, mistake.Label, mistake.Guess, mistake.Confidence
                ]
                [ 4, 1, 2, 1.0; 1, 0, 1, 0.65 ]
                "places in the set"
        }

        test "nothing comes of nothing" {
            let empty = Diagnosis.ofAnswers 2 { metrics with Count = 0L; Correct = 0L } [||]
            Expect.isTrue (System.Double.IsNaN empty.CalibrationError) "no error to measure"
            Expect.isEmpty empty.Mistakes "no mistakes"
        }
    ]

let tests =
    testList "diagnosis" [
        byHand

        testCase "answers are the largest logits and their softmax"
        <| fun () ->
            use _ = torch.NewDisposeScope()
            // exp of the logits: 1, 3, 4 and 8, 1, 1.
            let logits = torch.tensor(array2D [ [ 1.0; 3.0; 4.0 ]; [ 8.0; 1.0; 1.0 ] ]).log()
            let answers = Diagnosis.answers (logits.``to`` torch.ScalarType.Float32) (torch.tensor [| 1L; 0L |])
            Expect.equal [ for it in answers -> it.Label, it.Guess ] [ 1, 2; 0, 0 ] "label and guess"
            Expect.floatClose Accuracy.medium answers[0].Confidence 0.5 "4 of 8"
            Expect.floatClose Accuracy.medium answers[1].Confidence 0.8 "8 of 10"

        testCase "one pass gives the metrics of an evaluation and as many answers as images"
        <| fun () ->
            use _ = torch.NewDisposeScope()
            use data = imagesOf 10 3 8 10
            use network = build Placement.cpu 1 (Shape.Image(3, 8, 8)) tiny
            let feed, objective = feed 4 data, Objective.CrossEntropy 0.0
            let evaluated = Loop.evaluate objective network feed

            let diagnosis = Inference.plain network (fun forward -> Diagnosis.measure objective forward feed)

            Expect.equal diagnosis.Metrics evaluated "loss and hits"
            Expect.equal (diagnosis.Classes |> Array.sumBy _.Correct |> int64) evaluated.Correct "hits by class"
            Expect.equal (diagnosis.Bins |> Array.sumBy _.Count) 10 "each image in one bin"
            Expect.equal diagnosis.Mistakes.Length (10 - int evaluated.Correct) "all mistakes, where they are few"

            let all =
                Diagnosis.ofAnswers
                    10
                    evaluated
                    (Inference.plain network (fun forward ->
                        use batch = Batch.epoch (SmallData.feed 10 data) 0L false false 0 0 |> Seq.exactlyOne
                        Diagnosis.answers (forward batch.Images) batch.Labels))

            Expect.equal
                [ for mistake in diagnosis.Mistakes -> mistake.Image, mistake.Guess ]
                [ for mistake in all.Mistakes -> mistake.Image, mistake.Guess ]
                "places count over all batches"
    ]
