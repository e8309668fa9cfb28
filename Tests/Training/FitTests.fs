module Hybrid.Tests.Training.FitTests

open System
open Expecto
open TorchSharp
open Hybrid
open Hybrid.Tests.Modules.Reference
open Hybrid.Tests.Training.SmallData
open Hybrid.Tests.Training.Runs

let private order =
    testList "events" [
        testCase "two epochs of three batches"
        <| fun () ->
            Expect.equal
                (events recipe (Some(feed 4 others)) |> List.map told)
                [
                    "start 2 3 10 6"
                    "epoch 0 at 0 with 0.05"
                    "step 0 0 0"
                    "loss 0 1"
                    "step 0 1 1"
                    "step 0 2 2"
                    "trained 0 2"
                    "validated 0 2"
                    "end 0 2"
                    $"epoch 1 at 3 with {0.05 * 0.1}"
                    "loss 1 3"
                    "step 1 3 0"
                    "step 1 4 1"
                    "loss 1 5"
                    "step 1 5 2"
                    "trained 1 5"
                    "validated 1 5"
                    "end 1 5"
                    "done 2 6"
                ]
                "events"

        testCase "validation is told in plain cross-entropy, whatever is trained on"
        <| fun () ->
            let smoothed = { recipe with Epochs = 1; Objective = Objective.CrossEntropy 0.4 }
            let events, network = fit smoothed (Some(feed 4 others))
            use network = network

            let told =
                events
                |> List.pick (function
                    | TrainingEvent.EpochValidated(_, _, loss, _) -> Some loss
                    | _ -> None)

            let plain = Loop.evaluate (Objective.CrossEntropy 0.0) network (feed 4 others)
            Expect.floatClose Accuracy.high told plain.Loss "as test and --json tell it"

        testCase "without validation, without the last batch"
        <| fun () ->
            Expect.equal
                (events { recipe with DropLast = true; Epochs = 1; LogEvery = 50 } None |> List.map told)
                [
                    "start 1 2 10 0"
                    "epoch 0 at 0 with 0.05"
                    "step 0 0 0"
                    "step 0 1 1"
                    "trained 0 1"
                    "end 0 1"
                    "done 1 2"
                ]
                "events"

        testCase "a limit of steps ends the epoch that it falls in"
        <| fun () ->
            let lines = events { recipe with MaxSteps = 4L; Epochs = 9; LogEvery = 50 } None |> List.map told

            Expect.equal
                (List.skip 6 lines)
                [ "end 0 2"; $"epoch 1 at 3 with {0.05 * 0.1}"; "step 1 3 0"; "trained 1 3"; "end 1 3"; "done 2 4" ]
                "events"

            let whole = events { recipe with MaxSteps = 3L; Epochs = 9; LogEvery = 50 } None |> List.map told
            Expect.equal (List.last whole) "done 1 3" "no epoch is begun that has no step"

        testCase "no epochs"
        <| fun () ->
            Expect.equal
                (events { recipe with Epochs = 0 } None |> List.map told)
                [ "start 0 3 10 0"; "done 0 0" ]
                "events"

        testCase "a run that diverges says where, and that is the last of it"
        <| fun () ->
            let lines = events { recipe with LearningRate = 1e30; LogEvery = 1 } None |> List.map told
            Expect.equal (lines |> List.skip (lines.Length - 2)) [ "loss 0 1"; "diverged 0 1 train_loss" ] "the end"
            Expect.isFalse (lines |> List.exists _.StartsWith("end")) "no epoch was completed"

        testCase "where losses are not looked at, the end of the epoch tells the first step that diverged"
        <| fun () ->
            let lines = events { recipe with LearningRate = 1e30; LogEvery = 50 } None |> List.map told
            Expect.equal (List.skip 5 lines) [ "trained 0 2"; "diverged 0 1 train_loss" ] "events"

        testCase "a validation whose loss is no number ends the run too"
        <| fun () ->
            // The one step of the epoch is taken with sound weights, the validation after it is not.
            let recipe = { recipe with LearningRate = 1e30; BatchSize = 10 }
            let lines = events recipe (Some(feed 4 others)) |> List.map told
            Expect.equal (List.skip 3 lines) [ "trained 0 0"; "validated 0 0"; "diverged 0 0 val_loss" ] "events"
    ]

let private reading =
    testList "reading" [
        testCase "a run is read once"
        <| fun () ->
            use network = build Placement.cpu 1 input tiny
            use run = new Fit(recipe, network, feed 4 data, None)
            Seq.iter ignore run
            Expect.throwsT<InvalidOperationException> (fun () -> Seq.iter ignore run) "not twice"

        testCase "to stop reading is to stop training"
        <| fun () ->
            use network = build Placement.cpu 1 input tiny
            use run = new Fit(recipe, network, feed 4 data, None)
            let read = run |> Seq.truncate 3 |> Seq.map told |> List.ofSeq
            Expect.equal read [ "start 2 3 10 0"; "epoch 0 at 0 with 0.05"; "step 0 0 0" ] "what was read"
            Expect.equal (run.Position.Step, run.Position.Batch, run.Position.Epoch) (1L, 1, 0) "one step was made"

        testCase "a run that is told to stop ends its epoch with the step that was made"
        <| fun () ->
            use network = build Placement.cpu 1 input tiny
            use run = new Fit({ recipe with LogEvery = 50 }, network, feed 4 data, Some(feed 4 others))

            let read = [
                for event in run do
                    if told event = "step 0 1 1" then
                        run.Stop()

                    told event
            ]

            let ending = [ "step 0 1 1"; "trained 0 1"; "validated 0 1"; "end 0 1"; "done 1 2" ]
            Expect.equal (List.skip 3 read) ending "events"
            Expect.equal run.Position.Step 2L "two steps were made"

        testCase "nothing happens before the first event is asked for"
        <| fun () ->
            use network = build Placement.cpu 1 input tiny
            let before = bitsOf network
            use run = new Fit(recipe, network, feed 4 data, None)
            use events = (run :> seq<TrainingEvent>).GetEnumerator()
            Expect.isTrue (events.MoveNext()) "an event"
            Expect.equal (bitsOf network) before "the weights are as they were"

        testCase "whoever reads may keep tensors from one event to the next"
        <| fun () ->
            use _ = torch.NewDisposeScope()
            use network = build Placement.cpu 1 input tiny
            use run = new Fit(recipe, network, feed 4 data, Some(feed 4 others))
            let kept = [ for event in run -> told event, torch.ones 1L ]
            Expect.all kept (fun (_, tensor) -> not tensor.IsInvalid) "none was disposed by the run"

        testCase "the network trains while it trains and evaluates while it is evaluated"
        <| fun () ->
            use network = build Placement.cpu 1 input tiny
            let counted () = (numbers network.Weights["net.1.num_batches_tracked"])[0]
            use run = new Fit(recipe, network, feed 4 data, Some(feed 4 others))

            for event in run do
                match event with
                | TrainingEvent.EpochValidated(_, step, _, _) ->
                    Expect.equal (counted ()) (float (step + 1L)) "validation is not counted"
                | _ -> ()
    ]

let tests = testList "fit" [ order; reading ]
