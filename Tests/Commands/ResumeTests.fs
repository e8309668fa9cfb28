module Hybrid.Tests.Commands.ResumeTests

open System.IO
open System.Security.Cryptography
open System.Threading
open Expecto
open Hybrid.Host.Checkpoints
open Hybrid.Tests
open Hybrid.Tests.Data

let private arguments =
    Executable.words
        "train --epochs 3 --batch-size 32 --limit-train 640 --limit-val 64 --limit-test 64 --hparam \
         num_blocks=1,1,1 --hparam c_hidden=4,8,8 --log-every 4 --save-every 7 --save-top-k 2 --save-full-state --patience 9 --out"

/// All that a recipe can hold at once.
let private everything =
    Executable.words
        "train --schedule one-cycle --warmup-epochs 1 --clip-norm 1 --accumulate 2 --ema 0.9 --optimizer adamw"
    @ List.tail arguments

/// Everything that a run leaves behind and that does not name its folder: the lines of its log, and of each checkpoint
/// every tensor's name and digest, and which epochs it says are the best.
let private left (folder: TemporaryFolder) out = [
    yield! File.ReadAllLines(folder.At(out, "version_0", "metrics.csv"))

    for file in Directory.GetFiles(folder.At(out, "version_0", "checkpoints")) |> Array.sort do
        let checkpoint = CheckpointFile.Read file

        for tensor in checkpoint.Tensors do
            let digest = SHA256.HashData tensor.Bytes.Span |> System.Convert.ToHexString
            $"{Path.GetFileName file} {tensor.Name} {digest}"

        let state = RunState.Read(file, checkpoint)
        string state.Position
        string state.Callbacks["model_checkpoint"]
        string state.Callbacks["early_stopping"]
]

/// Starts a run and kills it as soon as its log has so many lines.
let private killAt (folder: TemporaryFolder) arguments lines =
    let log = folder.At("cut", "version_0", "metrics.csv")
    let state = folder.At("cut", "version_0", "checkpoints", "last.safetensors")
    let work = Executable.start folder.Path (arguments @ [ "cut" ])

    let soFar () =
        use file = new FileStream(log, FileMode.Open, FileAccess.Read, FileShare.ReadWrite)
        use reader = new StreamReader(file)
        reader.ReadToEnd().Split('\n').Length - 1

    while not work.HasExited && not (File.Exists log && File.Exists state && soFar () >= lines) do
        Thread.Sleep 2

    work.Kill()
    Executable.finish work |> ignore

/// Starts a run, or goes on with the one that is there, and kills it after so many milliseconds. Whether it came to its
/// end before that.
let private endsWithin (folder: TemporaryFolder) (milliseconds: int) =
    let saved = File.Exists(folder.At("cut", "version_0", "checkpoints", "last.safetensors"))

    // Killed before its first state was saved, a run has left nothing to go on with.
    if not saved && Directory.Exists(folder.At "cut") then
        Directory.Delete(folder.At "cut", true)

    let work =
        Executable.start folder.Path (if saved then [ "train"; "--resume"; "cut" ] else arguments @ [ "cut" ])

    if not (work.WaitForExit milliseconds) then
        work.Kill()

    let outcome = Executable.finish work
    Expect.contains [ 0; 137 ] outcome.ExitCode $"killed, or done: {outcome.Err}"
    outcome.ExitCode = 0

let tests =
    testList "resume" [
        test "killed at any moment, again and again, it ends as if it had not been" {
            use folder = new TemporaryFolder()
            Executable.succeed folder.Path (arguments @ [ "whole" ]) |> ignore
            let whole = left folder "whole"
            let random = System.Random 12

            for attempt in 1 .. Effort.tries 300 do
                if endsWithin folder (random.Next(300, 2500)) then
                    Expect.equal (left folder "cut") whole $"after attempt {attempt}"
                    Directory.Delete(folder.At "cut", true)

            while not (endsWithin folder 60_000) do
                ()

            Expect.equal (left folder "cut") whole "in the end"
        }

        test "a run that was killed ends as if it had not been" {
            use folder = new TemporaryFolder()
            Executable.succeed folder.Path (arguments @ [ "whole" ]) |> ignore
            let whole = left folder "whole"

            for lines in [ 3; 9; 13; 19 ] do
                killAt folder arguments lines
                Executable.succeed folder.Path [ "train"; "--resume"; "cut" ] |> ignore
                Expect.equal (left folder "cut") whole $"killed after {lines} lines of its log"
                Directory.Delete(folder.At "cut", true)
        }

        test "so does one with everything that a recipe can hold, between two gathered steps" {
            use folder = new TemporaryFolder()
            Executable.succeed folder.Path (everything @ [ "whole" ]) |> ignore
            let whole = left folder "whole"

            for lines in [ 4; 11 ] do
                killAt folder everything lines
                Executable.succeed folder.Path [ "train"; "--resume"; "cut" ] |> ignore
                Expect.equal (left folder "cut") whole $"killed after {lines} lines of its log"
                Directory.Delete(folder.At "cut", true)
        }

        test "from a checkpoint with full state it is done again as it was done" {
            use folder = new TemporaryFolder()
            Executable.succeed folder.Path (arguments @ [ "whole" ]) |> ignore
            let whole = left folder "whole"

            let epochs = Directory.GetFiles(folder.At("whole", "version_0", "checkpoints"), "epoch=*") |> Array.sort

            Expect.equal epochs.Length 2 "the two best"
            Executable.succeed folder.Path [ "train"; "--resume"; epochs[0] ] |> ignore
            Expect.equal (left folder "whole") whole "the same files"
        }

        test "it is taken up from another folder, and once it is complete nothing more is trained" {
            use folder = new TemporaryFolder()
            Executable.succeed folder.Path (arguments @ [ "whole" ]) |> ignore
            let before = left folder "whole"
            let run = folder.At("whole", "version_0")
            Executable.succeed (Path.GetTempPath()) [ "train"; "--resume"; run ] |> ignore
            Expect.equal (left folder "whole") before "unchanged"
        }

        test "without a place the run that was saved last is taken up, whatever its model" {
            use folder = new TemporaryFolder()
            let tiny = [ "train"; "--limit-train"; "32"; "--limit-val"; "8"; "--limit-test"; "8"; "--batch-size"; "16" ]

            for model in [ "ResNetPreAct"; "ResNet" ] do
                Executable.succeed folder.Path (tiny @ [ "--model"; model; "--epochs"; "1"; "--threads"; "1" ])
                |> ignore

            let last model = folder.At("runs", model, "version_0", "checkpoints", "last.safetensors")
            File.SetLastWriteTimeUtc(last "ResNetPreAct", System.DateTime.UtcNow.AddHours 1.0)
            let outcome = Executable.succeed folder.Path [ "train"; "--resume" ]
            Expect.stringContains outcome.Out "ResNetPreAct" "the later one"
        }

        test "what cannot be taken up is said to be so" {
            use folder = new TemporaryFolder()
            File.WriteAllText(folder.At "file", "")

            for arguments, word in
                [
                    [ "--resume"; "gone" ], "gone"
                    [ "--resume"; "." ], "last.safetensors"
                    [ "--resume"; "x"; "--lr"; "0.1" ], "--resume"
                    [ "--resume"; "file" ], "lies in no run"
                ] do
                let outcome = Executable.run folder.Path ("train" :: arguments)
                Expect.equal outcome.ExitCode 2 outcome.Err
                Expect.stringContains outcome.Err word "what was wrong"
        }

        test "at its end it is told what is left to do, and what is gone of its folder" {
            use folder = new TemporaryFolder()
            let last = RunFolders.finished folder
            let run = folder.At("runs", "version_0")
            let resume () = Executable.run folder.Path [ "train"; "--resume"; "runs"; "--threads"; "1" ]
            let longer = Executable.run folder.Path [ "train"; "--resume"; "runs"; "--epochs"; "9" ]
            Expect.equal longer.ExitCode 2 longer.Err
            Expect.stringContains longer.Err $"--init {last} --epochs N" "the run that was found"
            let complete = resume ()
            Expect.equal complete.ExitCode 0 complete.Err
            Expect.stringContains complete.Out "Nothing is left to train" "said"
            Expect.stringContains complete.Out $"--init {last}" "how to train on"
            let settings = Path.Combine(run, "hparams.yaml")
            let before = File.ReadAllText settings
            File.Delete settings
            let events = Directory.GetFiles(run, "events*") |> Array.sort
            Array.iter File.Delete events
            let gone = resume ()
            Expect.equal gone.ExitCode 0 gone.Err
            Expect.equal (File.ReadAllText settings) before "written anew"

            for file in [ "hparams.yaml"; Path.GetFileName events[0] |> string ] do
                Expect.stringContains (gone.Out + gone.Err) file "said"

            File.Delete(Path.Combine(run, "metrics.csv"))
            Directory.CreateDirectory(Path.Combine(run, "metrics.csv")) |> ignore
            let folderAsLog = resume ()
            Expect.equal folderAsLog.ExitCode 1 folderAsLog.Err
            Expect.stringContains folderAsLog.Err "is a folder where a file belongs: move it away" "what to do"
        }

        test "where the last state is broken, another checkpoint is named" {
            use folder = new TemporaryFolder()
            let line = RunFolders.tiny @ Executable.words "--epochs 2 --save-top-k 2 --out runs"
            let full = line @ [ "--save-full-state" ]

            for arguments, advice in [ line, "--init"; full, "--resume" ] do
                let root = folder.At "runs"

                if Directory.Exists root then
                    Directory.Delete(root, true)

                Executable.succeed folder.Path arguments |> ignore
                let checkpoints = folder.At("runs", "version_0", "checkpoints")
                let last = Path.Combine(checkpoints, "last.safetensors")
                use file = File.OpenWrite last
                file.SetLength(file.Length / 2L)
                file.Dispose()
                let broken = Executable.run folder.Path [ "train"; "--resume"; "runs" ]
                Expect.equal broken.ExitCode 1 broken.Err
                Expect.stringContains broken.Err $"{advice} {checkpoints}" "what can be used"

                for other in Directory.GetFiles(checkpoints, "epoch=*") do
                    File.Delete other

                let nothing = Executable.run folder.Path [ "train"; "--resume"; "runs" ]
                Expect.stringContains nothing.Err "start it anew" "nothing is left"
        }

        test "the state of a run is a checkpoint like any other" {
            use folder = new TemporaryFolder()
            Executable.succeed folder.Path (arguments @ [ "whole" ]) |> ignore
            let last = folder.At("whole", "version_0", "checkpoints", "last.safetensors")
            Executable.succeed folder.Path [ "test"; "--checkpoint"; last; "--limit-test"; "64" ] |> ignore
            Executable.succeed folder.Path [ "export"; "--checkpoint"; last; "--to"; "last.pt" ] |> ignore
        }
    ]
