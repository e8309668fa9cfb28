module Hybrid.Tests.Callbacks.OwnCallbackTests

open System
open System.IO
open System.Text.Json.Nodes
open Expecto
open Hybrid
open Hybrid.Host.Callbacks
open Hybrid.Host.Commands
open Hybrid.Host.Runtime
open Hybrid.Tests.Commands
open Hybrid.Tests.Data
open Hybrid.Tests.Training
open Hybrid.Tests.Training.SmallData
open Hybrid.Tests.Training.Runs

/// Counts steps, says so in the state of the run, and has enough after some.
type private StepCount(enough) =
    let mutable count = 0L
    member _.Count = count

    interface ICallback with
        member _.On event =
            if event.IsStepEnded then
                count <- count + 1L

        member _.WantsStop = count >= enough

    interface IStateful with
        member _.Name = "step_count"
        member _.Save() = JsonObject [ Collections.Generic.KeyValuePair("count", JsonValue.Create count :> JsonNode) ]

        member _.Restore saved =
            count <-
                match saved["count"] with
                | null -> failtest "no count"
                | count -> count.GetValue<int64>()

/// A run of 4 epochs of 4 steps in this process.
let private arguments =
    Executable.words
        "--limit-train 32 --limit-val 8 --limit-test 8 --batch-size 8 --epochs 4 --hparam num_blocks=1,1 \
         --hparam c_hidden=4,8 --threads 1 --trim-memory --json --out"

let private training =
    testList "of a whole run" [
        test "one that stops within an epoch has it validated and saved, and is put back with the run" {
            use folder = new TemporaryFolder()
            let count = StepCount 6L
            let first = TrainCommand.Run(arguments @ [ folder.Path ], [ count ])
            Expect.equal (first.Steps, first.Epochs, count.Count) (6L, 2, 6L) "after the step that it wanted"
            Expect.isTrue (first.ValAcc.HasValue && File.Exists first.BestCheckpoint) "validated and saved"
            let again = StepCount 6L
            let second = TrainCommand.Run([ "--resume"; folder.Path ], [ again ])
            Expect.equal (second.Steps, again.Count) (6L, 6L) "it still has enough"
            let patient = StepCount 10L
            let third = TrainCommand.Run([ "--resume"; folder.Path ], [ patient ])
            Expect.equal (third.Steps, patient.Count) (10L, 10L) "this one wants more"
        }

        test "it is told what the built-in ones are told, and a function will do" {
            use folder = new TemporaryFolder()
            let events = ResizeArray()

            TrainCommand.Run(
                arguments @ [ folder.Path; "--max-steps"; "1" ],
                [ Callback.Of(fun event -> events.Add event) ]
            )
            |> ignore

            Expect.equal
                [ for event in events -> (Runs.told event).Split(' ')[0] ]
                [ "start"; "epoch"; "step"; "trained"; "validated"; "end"; "done" ]
                "every event"
        }

        test "two that store their memory under one name are refused, and nothing is left behind" {
            use folder = new TemporaryFolder()

            Expect.throwsT<ArgumentException>
                (fun () -> TrainCommand.Run(arguments @ [ folder.At "runs" ], [ StepCount 1L; StepCount 2L ]) |> ignore)
                "one name"

            Expect.isEmpty (folder.Names()) "no folder"
        }

        test "wrong arguments are an exception that says so" {
            Expect.throwsC (fun () -> TrainCommand.Run([ "--modl"; "ResNet" ], []) |> ignore) (fun error ->
                Expect.isTrue (error :? RequestException) "its kind"
                Expect.stringContains error.Message "--model" "what was meant")
        }
    ]

let private watching =
    testList "of a fit" [
        test "the run ends with the epoch in which a function has enough" {
            use network = build Placement.cpu 1 input tiny
            use run = new Fit({ recipe with Epochs = 9 }, network, feed 4 data, Some(feed 4 others))

            let watch =
                TrainingWatch([ Callback.StopWhen(fun event -> told event = "validated 1 5") ], TrainingPosition.start)

            watch.Follow run
            Expect.equal (watch.Epochs, watch.Steps) (2, 6L) "two of nine epochs"
        }
    ]

let tests = testList "callbacks of one's own" [ training; watching ]
