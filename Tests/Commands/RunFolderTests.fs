module Hybrid.Tests.Commands.RunFolderTests

open System
open System.Diagnostics
open System.IO
open System.Threading
open Expecto
open Hybrid
open Hybrid.Host.Callbacks
open Hybrid.Host.Checkpoints
open Hybrid.Host.Commands
open Hybrid.Host.Runtime
open Hybrid.Tests
open Hybrid.Tests.Data

let private long =
    RunFolders.tiny @ Executable.words "--log-every 1 --save-every 1 --epochs 100000 --out runs"

let private waitFor (work: Process) file =
    let clock = Stopwatch.StartNew()

    while not work.HasExited && not (File.Exists file) && clock.Elapsed < TimeSpan.FromMinutes 5.0 do
        Thread.Sleep 5

let private live =
    test "a run that is going on is not taken up: the message says who has it" {
        use folder = new TemporaryFolder()
        let work = Executable.start folder.Path long
        waitFor work (folder.At("runs", "version_0", "checkpoints", "last.safetensors"))
        let second = Executable.run folder.Path [ "train"; "--resume"; "runs" ]
        let files = folder.Names("runs", "version_0")
        let goesOn, number = not work.HasExited, work.Id
        work.Kill()
        let first = Executable.finish work
        Expect.isTrue goesOn $"the first goes on: {first.Err}"
        Expect.equal second.ExitCode 2 second.Err
        Expect.stringContains second.Err $"process {number} on {Environment.MachineName}" "who has it"
        Expect.equal (files |> List.filter _.StartsWith("events")).Length 1 "the first run's logs alone"
    }

let private twoAtOnce =
    test "of two that take up a run at once one is refused" {
        use folder = new TemporaryFolder()
        let line = RunFolders.tiny @ Executable.words "--log-every 1 --save-every 1 --epochs 40 --out"
        Executable.succeed folder.Path (line @ [ "whole" ]) |> ignore
        let log out = File.ReadAllText(folder.At(out, "version_0", "metrics.csv"))

        for _ in 1 .. Effort.tries 20 do
            let work = Executable.start folder.Path (line @ [ "runs" ])
            waitFor work (folder.At("runs", "version_0", "checkpoints", "last.safetensors"))
            work.Kill()
            Executable.finish work |> ignore

            let both = [
                for _ in 1..2 -> Executable.start folder.Path [ "train"; "--resume"; "runs"; "--threads"; "1" ]
            ]

            let codes = both |> List.map (Executable.finish >> _.ExitCode) |> List.sort
            // The second may come when the first is through.
            Expect.contains [ [ 0; 2 ]; [ 0; 0 ] ] codes "one goes on"
            Expect.equal (log "runs") (log "whole") "as if it had been alone"
            Directory.Delete(folder.At "runs", true)
    }

let private kept =
    test "a folder that holds a state stays when a later write fails" {
        use folder = new TemporaryFolder()
        let one = RunFolder.Create(folder.At "runs")
        Directory.CreateDirectory one.Checkpoints |> ignore
        File.WriteAllText(one.Last, "a state")
        one.Dispose()
        Expect.isTrue (File.Exists one.Last) "kept, though nobody said so"
        let two = RunFolder.Create(folder.At "runs")
        File.WriteAllText(Path.Combine(two.Root, "notes.txt"), "mine")
        two.Dispose()

        Expect.equal
            (folder.Names("runs", "version_1"))
            [ "notes.txt" ]
            "of a run that came to nothing its own files go"
    }

let private removed =
    test "a folder that is removed while the run goes on ends it with a line" {
        use folder = new TemporaryFolder()

        for way in
            [
                (fun run -> Directory.Delete(run, true))
                (fun run -> Directory.Move(run, folder.At "elsewhere"))
            ] do
            let work = Executable.start folder.Path long
            waitFor work (folder.At("runs", "version_0", "checkpoints", "last.safetensors"))

            // Something may be written while it is being removed.
            let rec again tries =
                try
                    way (folder.At("runs", "version_0"))
                with :? IOException when tries > 0 ->
                    again (tries - 1)

            again 5

            let outcome = Executable.finish work
            Expect.equal outcome.ExitCode 1 outcome.Err
            Expect.stringContains outcome.Err "removed or moved" "what happened"
            Expect.isEmpty (folder.Names("runs", "version_0")) "nothing is made anew"
    }

/// Takes a run's folder away at one event of its second epoch, in this process.
let private vanishing =
    let words =
        List.tail RunFolders.tiny
        @ Executable.words "--log-every 1 --save-every 1 --epochs 3 --trim-memory --json --out"

    testList "a folder that is removed ends the run with a line, whatever is written next:" [
        for name, isThen in
            [
                "EpochStarted", (fun (event: TrainingEvent) -> event.IsEpochStarted)
                "StepEnded", (fun (event: TrainingEvent) -> event.IsStepEnded)
                "LossLogged", (fun (event: TrainingEvent) -> event.IsLossLogged)
                "EpochTrained", (fun (event: TrainingEvent) -> event.IsEpochTrained)
                "EpochValidated", (fun (event: TrainingEvent) -> event.IsEpochValidated)
                "EpochEnded", (fun (event: TrainingEvent) -> event.IsEpochEnded)
                "FitEnded", (fun event -> event.IsFitEnded)
            ] do
            test name {
                use folder = new TemporaryFolder()
                let run = folder.At("runs", "version_0")
                let mutable epochs = 0

                let remove (event: TrainingEvent) =
                    if event.IsEpochEnded then
                        epochs <- epochs + 1

                    if epochs >= 1 && isThen event && Directory.Exists run then
                        Directory.Delete(run, true)

                let train () = TrainCommand.Run(words @ [ folder.At "runs" ], [ Callback.Of remove ]) |> ignore

                let error = Expect.throwsC train id
                Expect.isTrue (error :? WorkException) $"{error}"
                Expect.stringContains error.Message "removed or moved" "what happened"
                Expect.isEmpty (folder.Names("runs", "version_0")) "nothing is made anew"
            }
    ]

let private torn =
    let words =
        List.tail RunFolders.tiny
        @ Executable.words "--log-every 1 --save-every 1 --epochs 3 --trim-memory --json --out"

    testList "a folder that loses a part gets the run's state once more:" [
        for part in [ "metrics.csv"; "checkpoints" ] do
            test part {
                use folder = new TemporaryFolder()
                let run = folder.At("runs", "version_0")
                let lost = Path.Combine(run, part)
                let mutable steps = 0

                let remove (event: TrainingEvent) =
                    if event.IsStepEnded then
                        steps <- steps + 1

                    // In the second epoch.
                    if steps = 6 && event.IsStepEnded then
                        File.Delete(Path.Combine(run, ".lock"))

                        if Directory.Exists lost then Directory.Delete(lost, true) else File.Delete lost

                let train () = TrainCommand.Run(words @ [ folder.At "runs" ], [ Callback.Of remove ]) |> ignore

                let error = Expect.throwsC train id
                Expect.isTrue (error :? WorkException) $"{error}"
                Expect.stringContains error.Message lost "what is gone"
                Expect.stringContains error.Message $"--resume {run}" "what to do"
                Expect.equal steps 6 "it ends there"
                let result = TrainCommand.Run([ "--resume"; run; "--threads"; "1"; "--trim-memory"; "--json" ], [])
                Expect.equal (result.Epochs, result.Steps) (3, 12L) "and goes on from there"
            }
    ]

let private disposal =
    test "letting a folder go that is gone, or a part of it, is no failure" {
        for saved in [ true; false ] do
            for part in [ ""; "checkpoints"; ".lock"; "hparams.yaml"; "metrics.csv" ] do
                for other in [ false; true ] do
                    use folder = new TemporaryFolder()
                    let run = RunFolder.Create(folder.At "runs")
                    File.WriteAllText(run.Metrics, "epoch,step")

                    if saved then
                        run.Keep()

                    let gone = Path.Combine(run.Root, part)

                    if Directory.Exists gone then Directory.Delete(gone, true) else File.Delete gone

                    // Something else may lie there now.
                    if other then
                        File.WriteAllText(gone.TrimEnd '/', "mine")

                    run.Dispose()
                    run.Dispose()
    }

let private paths =
    testList "paths" [
        for name, out, word in
            [
                "a long name", String.replicate 256 "a", "255"
                "a long name in bytes", String.replicate 100 "日", "255"
                "a long path", String.replicate 2040 "a/", "bytes"
                "a path that is longest", String.replicate 2047 "a/" + "a", "bytes"
            ] do
            test name {
                use folder = new TemporaryFolder()
                let create () = (RunFolder.Create(folder.At out)).Dispose()
                let error = Expect.throwsC create id
                Expect.isTrue (error :? RequestException) $"{error}"
                Expect.stringContains error.Message word "what is allowed"
                Expect.isEmpty (folder.Names()) "no folder is made"
            }

        test "a working folder that is gone" {
            use folder = new TemporaryFolder()
            let script = "mkdir gone && cd gone && rmdir ../gone && exec dotnet \"$0\" train --max-steps 1"
            let outcome = Executable.startBy "sh" [ "-c"; script ] folder.Path [] |> Executable.finish
            Expect.equal outcome.ExitCode 1 outcome.Err
            Expect.equal (outcome.Err.Trim().Split('\n').Length) 1 outcome.Err
        }

        test "bytes that are no UTF-8 do not become another folder" {
            use folder = new TemporaryFolder()
            let script = "exec dotnet \"$0\" train --max-steps 1 --out \"$(printf 'a\\377b')\""
            let outcome = Executable.startBy "sh" [ "-c"; script ] folder.Path [] |> Executable.finish
            Expect.equal outcome.ExitCode 2 outcome.Err
            Expect.stringContains outcome.Err "UTF-8" "why"
            Expect.isEmpty (folder.Names()) "no folder"
        }
    ]

let tests =
    testList "a run's folder" [ live; twoAtOnce; kept; removed; vanishing; torn; disposal; paths ]
