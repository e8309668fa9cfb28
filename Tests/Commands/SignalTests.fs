module Hybrid.Tests.Commands.SignalTests

open System
open System.Diagnostics
open System.IO
open System.Threading
open Expecto
open Hybrid.Host.Checkpoints
open Hybrid.Tests
open Hybrid.Tests.Data

/// Many short epochs: some minutes, if nobody ends them.
let private long =
    RunFolders.tiny @ Executable.words "--log-every 1 --save-every 1 --epochs 100000 --out runs"

/// One epoch that long, saved by a signal alone.
let private rare =
    Executable.words
        "train --limit-val 16 --limit-test 16 --batch-size 1 --hparam num_blocks=1,1,1 --hparam c_hidden=2,2,2 --threads 1 \
         --log-every 1 --save-every 1000000 --out runs"

let private state (folder: TemporaryFolder) = folder.At("runs", "version_0", "checkpoints", "last.safetensors")

/// Started with the signal as a terminal's program has it: a shell's background job, as these tests may be, ignores it and
/// so would what it starts.
let private start (folder: TemporaryFolder) arguments =
    if not (OperatingSystem.IsLinux()) then
        skiptest "signals are sent by Linux's programs"

    Executable.startBy "env" [ "--default-signal=INT,TERM,HUP"; "dotnet" ] folder.Path arguments

let private send (work: Process) signal = Executable.tool "kill" [ "-s"; signal; string work.Id ] |> ignore

let private waitFor (work: Process) happened =
    let clock = Stopwatch.StartNew()

    while not work.HasExited && not (happened ()) && clock.Elapsed < TimeSpan.FromMinutes 5.0 do
        Thread.Sleep 5

/// The steps that a state says are done.
let private steps path = RunState.Read(path, CheckpointFile.Read path).Position.Step

let private saves signal code =
    test $"{signal} saves the state and exits with {code}" {
        use folder = new TemporaryFolder()
        let work = start folder rare
        let log = folder.At("runs", "version_0", "metrics.csv")
        waitFor work (fun () -> File.Exists log && FileInfo(log).Length > 200L)
        send work signal
        let outcome = Executable.finish work
        Expect.equal outcome.ExitCode code $"{outcome.Out}\n{outcome.Err}"
        Expect.stringContains outcome.Err "hybrid train --resume" "how to go on"
        Expect.isGreaterThan (steps (state folder)) 0L "saved"
        Expect.isFalse (File.Exists(folder.At("runs", "version_0", ".lock"))) "the folder is let go"
    }

let private partly =
    test "a state is saved though the log was removed meanwhile" {
        use folder = new TemporaryFolder()
        let work = start folder rare
        let log = folder.At("runs", "version_0", "metrics.csv")
        waitFor work (fun () -> File.Exists log && FileInfo(log).Length > 200L)
        File.Delete log
        File.Delete(folder.At("runs", "version_0", ".lock"))
        send work "TERM"
        let outcome = Executable.finish work
        Expect.equal outcome.ExitCode 143 $"{outcome.Out}\n{outcome.Err}"
        Expect.stringContains (outcome.Out + outcome.Err) "was removed while the run went on" "said"
        Expect.isGreaterThan (steps (state folder)) 0L "saved"
    }

let private again =
    test "the same signal again and again right after the first loses nothing" {
        use folder = new TemporaryFolder()

        for turn in 1 .. Effort.tries 30 do
            let work = start folder long
            waitFor work (fun () -> File.Exists(state folder))
            send work "INT"

            for _ in 1..4 do
                Thread.Sleep(5 * turn % 40)
                send work "INT"

            let outcome = Executable.finish work
            Expect.equal outcome.ExitCode 130 $"{outcome.Out}\n{outcome.Err}"
            Expect.isGreaterThan (steps (state folder)) 0L "saved"
            Directory.Delete(folder.At "runs", true)
    }

let private elsewhere =
    let checkpoint = lazy Shared.path [ "golden"; "tutorial5"; "ResNet.ckpt" ]

    testList "ends within a step" [
        for name, arguments in
            [
                "test",
                (fun () -> [
                    "test"
                    "--checkpoint"
                    checkpoint.Value
                    "--data"
                    "shapes"
                    "--split"
                    "train"
                    "--batch-size"
                    "1"
                    "--threads"
                    "1"
                ])
                "--find-lr", (fun () -> Executable.words "train --find-lr --threads 1 --out runs")
                "--batch-size auto", (fun () -> Executable.words "train --batch-size auto --threads 1 --out runs")
                "validation",
                (fun () ->
                    Executable.words
                        "train --limit-train 128 --batch-size 128 --epochs 9 --threads 1 --hparam c_hidden=8,8,8 \
                         --hparam num_blocks=1,1,1 --val-size 8000 --out runs")
            ] do
            test name {
                use folder = new TemporaryFolder()
                let work = start folder (arguments ())
                // Past the start, wherever that is now.
                work.WaitForExit 4000 |> ignore
                send work "INT"
                let outcome = Executable.finish work
                Expect.equal outcome.ExitCode 130 $"{outcome.Out}\n{outcome.Err}"
                Expect.isLessThan (outcome.Err.Trim().Split('\n').Length) 4 outcome.Err
            }
    ]

let private predicting signal code =
    test $"{signal} ends predict over many pictures and leaves no file behind" {
        use folder = new TemporaryFolder()
        let checkpoint = Trained.briefly folder
        let picture = HandmadePictures.plain 600 600 (1uy, 2uy, 3uy)

        for number in 1..1500 do
            HandmadePictures.write (folder.At("pictures", $"{number}.png")) picture

        let work =
            start
                folder
                (Executable.words $"predict --checkpoint {checkpoint} --csv out.csv --batch-size 1 --threads 1 pictures")

        work.WaitForExit 2500 |> ignore
        let clock = Stopwatch.StartNew()
        send work signal
        let outcome = Executable.finish work
        Expect.equal outcome.ExitCode code $"{outcome.Out}\n{outcome.Err}"
        Expect.isLessThan clock.Elapsed (TimeSpan.FromSeconds 5.0) "at once"
        Expect.equal (outcome.Err.Trim().Split('\n').Length) 1 outcome.Err
        Expect.stringContains outcome.Err "interrupted" "said"
        Expect.equal (folder.Names()) [ "pictures"; "runs" ] "no table, whole or half"
    }

let private downloading signal code =
    test $"{signal} ends a download, which goes on from there the next time" {
        use folder = new TemporaryFolder()
        use ended = new ManualResetEventSlim(false)
        use reached = new ManualResetEventSlim(false)

        use server =
            new LoopbackServer(fun number _ ->
                if number > 0 then
                    reached.Set()
                    ended.Wait()

                Reply.cutAfter 4_000 (Reply.whole (Array.zeroCreate 100_000)))

        let variables = [ "HYBRID_CIFAR_URL"; string server.Address ]

        if not (OperatingSystem.IsLinux()) then
            skiptest "signals are sent by Linux's programs"

        let work =
            Executable.startBy
                "env"
                [ "--default-signal=INT,TERM,HUP"; String.concat "=" variables; "dotnet" ]
                folder.Path
                (Executable.words "train --data cifar10:set --out runs")

        reached.Wait(TimeSpan.FromMinutes 2.0) |> ignore
        send work signal
        let clock = Stopwatch.StartNew()
        let outcome = Executable.finish work
        ended.Set()
        Expect.equal outcome.ExitCode code $"{outcome.Out}\n{outcome.Err}"
        Expect.isLessThan clock.Elapsed (TimeSpan.FromSeconds 5.0) "at once"
        Expect.equal (outcome.Err.Trim().Split('\n').Length) 1 outcome.Err
        Expect.stringContains outcome.Err "interrupted" "said"
        let left = folder.Names "set"
        Expect.isTrue (left |> List.exists _.EndsWith(".part")) $"{left}"
        Expect.isFalse (left |> List.exists (fun it -> it.EndsWith ".tar.gz" || it.EndsWith ".lock")) $"{left}"
        Expect.equal (folder.Names()) [ "set" ] "nothing else"
    }

let tests =
    testList "signals" [
        predicting "INT" 130
        predicting "TERM" 143
        downloading "INT" 130
        downloading "TERM" 143
        saves "INT" 130
        saves "TERM" 143
        saves "HUP" 129
        partly
        again
        elsewhere
    ]
