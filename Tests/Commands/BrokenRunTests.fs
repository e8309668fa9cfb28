/// Run folders that nobody's training wrote, taken up again in this process.
module Hybrid.Tests.Commands.BrokenRunTests

open System
open System.Collections.Generic
open System.IO
open System.Text.Json.Nodes
open Expecto
open Hybrid
open Hybrid.Host.Callbacks
open Hybrid.Host.Checkpoints
open Hybrid.Host.Commands
open Hybrid.Host.Runtime
open Hybrid.Tests
open Hybrid.Tests.Data

let private arguments =
    List.tail RunFolders.tiny @ Executable.words "--log-every 1 --epochs 2 --trim-memory --json --out"

let private run (words: string list) = TrainCommand.Run(words, Array.empty<ICallback>)

let private resume folder = run [ "--resume"; folder; "--threads"; "1"; "--trim-memory"; "--json" ]

let private state run = Path.Combine(run, "checkpoints", "last.safetensors")

let rec private copy (source: string) (target: string) =
    Directory.CreateDirectory target |> ignore

    for file in Directory.GetFiles source do
        File.Copy(file, Path.Combine(target, Path.GetFileName file))

    for folder in Directory.GetDirectories source do
        copy folder (Path.Combine(target, Path.GetFileName folder))

let private node (json: string) : JsonNode = JsonNode.Parse json

/// Puts a value, as JSON, where a path of names leads.
let private put (path: string) (json: string) (state: JsonObject) =
    let names = path.Split '.'

    let inner =
        names
        |> Seq.take (names.Length - 1)
        |> Seq.fold (fun (at: JsonObject) name -> at[name].AsObject()) state

    inner[Array.last names] <- node json

let private without (path: string) (state: JsonObject) =
    let names = path.Split '.'

    let inner =
        names
        |> Seq.take (names.Length - 1)
        |> Seq.fold (fun (at: JsonObject) name -> at[name].AsObject()) state

    inner.Remove(Array.last names) |> ignore

let private hopeless = [ "null"; "\"x\""; "-5"; "9223372036854775807"; "1e308"; "1.5"; "[]"; "{}"; "[null]" ]

/// What may stand there in spite of all: its value is right, or of no consequence.
let private harmless = [
    "Callbacks.csv_log.length", "9223372036854775807"
    "Callbacks.epoch_csv.length", "9223372036854775807"
    "Callbacks.csv_log.lines", "9223372036854775807"
    "Callbacks.epoch_csv.lines", "9223372036854775807"
    "Callbacks.epoch_csv.rate", "-5"
    "Callbacks.epoch_csv.rate", "1.5"
    "Callbacks.epoch_csv.rate", "1e308"
    "Callbacks.epoch_csv.rate", "9223372036854775807"
    "Callbacks.tensorboard_log", "{}" // no file is named, so none is touched
    "WorkingFolder", "\"x\""
]

let private fields = [
    yield! [ "Arguments"; "WorkingFolder"; "Threads"; "Position"; "Callbacks" ]
    yield! [
        for name in [ "Epoch"; "Batch"; "Step"; "OptimizerSteps"; "Count"; "Correct" ] -> $"Position.{name}"
    ]
    yield! [
        for name in [ "csv_log"; "epoch_csv"; "early_stopping"; "model_checkpoint"; "tensorboard_log" ] ->
            $"Callbacks.{name}"
    ]
    yield! [
        for name in [ "csv_log.length"; "csv_log.lines"; "epoch_csv.length"; "epoch_csv.lines"; "epoch_csv.rate" ] ->
            $"Callbacks.{name}"
    ]
    yield! [ "Callbacks.model_checkpoint.kept"; "Callbacks.early_stopping.waited" ]
]

let private finished (folder: TemporaryFolder) = (run (arguments @ [ folder.At "runs" ])).RunDir |> string

/// Takes up a copy of a run after a change; true where it went to its end.
let private goesOn (folder: TemporaryFolder) whole name change =
    let run = folder.At("copies", Guid.NewGuid().ToString "N")
    copy whole run
    change run

    try
        resume run |> ignore
        true
    with
    | :? WorkException
    | :? RequestException
    | :? IOException
    | :? UnauthorizedAccessException -> false
    | error -> failtest $"{name}: {error}"

let private states =
    test "values that no run has are refused by name" {
        use folder = new TemporaryFolder()
        let whole = finished folder
        Expect.isTrue (goesOn folder whole "unchanged" ignore) "unchanged"

        // At night all values of each field; else some, other ones of each.
        for place, field in List.indexed fields do
            Expect.isFalse
                (goesOn folder whole field (fun run -> RunFolders.edit (state run) (without field)))
                $"without {field}"

            for json in
                List.permute (fun at -> (at + place) % hopeless.Length) hopeless |> List.truncate (Effort.tries 30) do
                let went =
                    goesOn folder whole $"{field} = {json}" (fun run -> RunFolders.edit (state run) (put field json))

                Expect.equal went (List.contains (field, json) harmless) $"{field} = {json}"
    }

let private noText =
    test "words that are no Unicode text" {
        use folder = new TemporaryFolder()
        let path = RunFolders.finished folder
        let file = Safetensors.Read path
        let metadata = Dictionary<string, string>(Seq.toArray file.Metadata)
        metadata["run_state"] <- metadata["run_state"].Replace("--log-every", @"\ud800")
        Safetensors.Write(path, file.Tensors, metadata)
        let read () = RunState.Read(path, CheckpointFile.Read path) |> ignore

        Expect.throwsC read (fun error ->
            Expect.isTrue (error :? WorkException) $"{error}"
            Expect.stringContains error.Message "Arguments is no Unicode text" "which")
    }

let private files =
    test "files that are gone, short, folders or links" {
        use folder = new TemporaryFolder()
        let whole = finished folder
        let metrics = File.ReadAllText(Path.Combine(whole, "metrics.csv"))
        let at run name = Path.Combine(run, name)
        let kept = DirectoryInfo(at whole "checkpoints").GetFiles("epoch=*")[0]

        for name, change, goes in
            [
                "no log", (fun run -> File.Delete(at run "metrics.csv")), true
                "a short log", (fun run -> File.WriteAllText(at run "metrics.csv", metrics.Substring(0, 150))), true
                "an empty log", (fun run -> File.WriteAllText(at run "metrics.csv", "")), true
                "a folder as log",
                (fun run ->
                    File.Delete(at run "epochs.csv")
                    Directory.CreateDirectory(at run "epochs.csv") |> ignore),
                false
                "no best", (fun run -> File.Delete(at run $"checkpoints/{kept.Name}")), false
                "no event file", (fun run -> Directory.GetFiles(run, "events*") |> Array.iter File.Delete), true
            ] do
            Expect.equal (goesOn folder whole name change) goes name

        for line in Directory.GetFiles(folder.At "copies", "metrics.csv", SearchOption.AllDirectories) do
            let text = File.ReadAllText line
            Expect.isFalse (text.Contains '\000') "no NUL"
            Expect.isTrue (metrics.StartsWith text && text.EndsWith '\n') "whole lines of the log that was"
    }

let private links =
    test "what lies behind a link is left as it is" {
        use folder = new TemporaryFolder()
        let whole = finished folder
        let precious = folder.At "precious"
        File.WriteAllText(precious, String.replicate 1000 "precious\n")
        let before = File.ReadAllText precious

        for name in [ "metrics.csv"; "epochs.csv"; ".lock" ] do
            let went =
                goesOn folder whole name (fun run ->
                    File.Delete(Path.Combine(run, name))
                    File.CreateSymbolicLink(Path.Combine(run, name), precious) |> ignore)

            Expect.isFalse went $"{name} is a link"

        let went =
            goesOn folder whole "events" (fun run ->
                for events in Directory.GetFiles(run, "events*") do
                    File.Delete events
                    File.CreateSymbolicLink(events, precious) |> ignore)

        Expect.isTrue went "an event file that is a link is none of the run's"
        Expect.equal (File.ReadAllText precious) before "unchanged"
    }

let private others =
    test "a resume touches what the run's state names, and nothing beside it" {
        use folder = new TemporaryFolder()
        let whole = finished folder

        let mine = [
            "checkpoints/epoch=0-step=999.safetensors"
            "checkpoints/.notes.tmp"
            "events.out.tfevents.1.mine"
        ]

        for name in mine do
            File.WriteAllText(Path.Combine(whole, name), "mine")

        resume whole |> ignore

        for name in mine do
            Expect.equal (File.ReadAllText(Path.Combine(whole, name))) "mine" name
    }

let private leftLogs =
    test "of what a left lock names only its process's own logs go" {
        use folder = new TemporaryFolder()
        let whole = finished folder
        let guid = Guid.NewGuid().ToString "N"
        let own = "events.out.tfevents.150.box.12.0"

        let mine = [
            "events.out.tfevents.1.mine"
            "events.out.tfevents.50.box.12.0" // before that process had the lock
            "events.out.tfevents.150.box.13.0"
            "events.out.tfevents.150.box.12.0.v2"
            "notes.txt"
        ]

        for name in own :: mine do
            File.WriteAllText(Path.Combine(whole, name), "mine")

        let lock (since: string) =
            File.WriteAllLines(Path.Combine(whole, ".lock"), $"process 12 on box,{since} {guid}" :: own :: mine)

        // As earlier versions wrote it.
        lock ""
        resume whole |> ignore
        Expect.isTrue (File.Exists(Path.Combine(whole, own))) "nothing is proven"
        lock " since 100,"
        resume whole |> ignore
        Expect.isFalse (File.Exists(Path.Combine(whole, own))) "its own"

        for name in mine do
            Expect.equal (File.ReadAllText(Path.Combine(whole, name))) "mine" name
    }

let private shapes =
    test "positions that this recipe cannot come to" {
        let recipe = { Recipe.plain with Epochs = 3 }

        let at epoch batch step : TrainingPosition = {
            TrainingPosition.start with
                Epoch = epoch
                Batch = batch
                Step = step
                OptimizerSteps = step
                Sums = { Sums.zero with Count = 128L * int64 batch }
        }

        for position, right in
            [
                TrainingPosition.start, true
                at 1 2 6L, true
                at 3 0 12L, true
                { at 2 0 5L with Left = 3L }, true // the second epoch was cut short, and it is said
                at 2 0 5L, false
                { at 2 0 5L with Left = 4L }, false
                { at 2 0 9L with Left = -1L }, true // over more images before
                at 2 1 9L, true
                at 4 0 16L, false
                at 3 1 13L, false
                at 1 5 9L, false
                at 1 2 7L, false
                at 2 0 1L, false
                at 0 1 0L, false
                { at 1 2 6L with OptimizerSteps = 5L }, false
                { at 1 2 6L with Sums = { Sums.zero with Count = 1000L } }, false
                { at 1 2 6L with Sums = { Sums.zero with Count = 255L } }, false
                { at 1 0 4L with Sums = { Count = 512L; Correct = 9L; Loss = 700.0 } }, true
                { at 1 0 4L with Sums = { Count = 512L; Correct = 9L; Loss = -0.1 } }, false
                { at 1 0 4L with Sums = { Count = 512L; Correct = 9L; Loss = 1e308 } }, false
            ] do
            Expect.equal (TrainingPosition.check recipe 4 512 position |> Result.isOk) right $"{position}"

        // A state of an earlier version that --max-steps ended.
        let ended = TrainingPosition.check { recipe with MaxSteps = 6L } 4 512 (at 2 0 6L)
        Expect.isOk ended "it does not say how many steps were left out"
    }

let private measured =
    test "sums, accuracies and threads that cannot be are named" {
        use folder = new TemporaryFolder()
        let whole = finished folder

        let kept (name: string) json (state: JsonObject) =
            let callbacks = state["Callbacks"].AsObject()
            let memory = callbacks["model_checkpoint"].AsObject()
            let first = memory["kept"].AsArray()[0]
            first.AsObject()[name] <- node json

        for word, change in
            [
                "sum of losses is -", put "Position.Loss" "-0.5"
                "sum of losses is 1E+308", put "Position.Loss" "1e308"
                "ValAccuracy is 5", kept "ValAccuracy" "5"
                "TrainAccuracy is -", kept "TrainAccuracy" "-0.1"
                "ValLoss is -", kept "ValLoss" "-1"
                "best is ", put "Callbacks.early_stopping.best" "\"1.01\""
                "seconds is -", put "Callbacks.epoch_csv.seconds" "-1"
                "Threads is 2147483647", put "Threads" "2147483647"
                "the step is 7, expected 8",
                (fun state ->
                    put "Position.Step" "7" state
                    put "Position.OptimizerSteps" "7" state)
            ] do
            let run = folder.At("copies", Guid.NewGuid().ToString "N")
            copy whole run
            RunFolders.edit (state run) change
            let error = Expect.throwsC (fun () -> resume run |> ignore) id
            Expect.isTrue (error :? WorkException) $"{error}"
            Expect.stringContains error.Message word "named"
    }

let tests =
    testList "broken run folders" [ states; noText; files; links; others; leftLogs; shapes; measured ]
