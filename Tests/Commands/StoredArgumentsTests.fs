module Hybrid.Tests.Commands.StoredArgumentsTests

open System.IO
open Expecto
open Hybrid
open Hybrid.Command
open Hybrid.Tests.Data

let private machine: MachineRequest = {
    Device = "cpu"
    Precision = Precision.Float32
    Threads = 3
    TrimMemory = false
    Libtorch = ""
    Tf32 = false
}

let private stored line = CommandLine.Stored(Array.ofList (Executable.words line), machine, false)

let private refused line (word: string) =
    let error = Expect.throwsC (fun () -> stored line |> ignore) id
    Expect.isTrue (error :? RequestException) $"{error}"
    Expect.stringContains error.Message word "named"

/// What `train LINE` would store.
let private kept line =
    match CommandLine.Read(Array.ofList ("train" :: Executable.words line)) with
    | Request.Train request -> request.Arguments |> String.concat " "
    | other -> failtest $"{other}"

let tests =
    testList "stored command lines" [
        test "what decides the run is stored, what belongs to the process is not" {
            let line =
                "--lr 0.05 --gamma 1E-30 --hparam c_hidden=4,8,8 --precision bfloat16 --data folder:some/where"

            let other = "--device cpu --threads 2 --libtorch /a/b --trim-memory --json --out runs"
            Expect.equal (kept $"{other} {line}") $"train {line}" "nothing else"
        }

        test "and gives the same run again, on the machine of this process" {
            let line = "train --lr 0.05 --precision bfloat16 --epochs 3"
            let again = stored line
            Expect.equal (Training.Recipe(again, Models.Find(again.Model, 10))).LearningRate 0.05 "the rate"
            Expect.equal again.Machine { machine with Precision = Precision.BFloat16 } "the machine"
        }

        test "a flag that is false there stays so" {
            Expect.equal (stored "train --no-shuffle=false --lr 0.5").Arguments [| "train"; "--lr"; "0.5" |] "not given"
        }

        for option in
            [
                "--libtorch /evil"
                "--device cuda"
                "--threads 9"
                "--trim-memory"
                "--out /etc"
                "--json"
                "--config file.yaml"
                "--resume elsewhere"
                "--fast-dev-run"
                "--find-lr"
                "--batch-size auto"
            ] do
            let name = (option.Split ' ')[0]
            test $"{name} is never taken from a file" { refused $"train {option}" name }

        for line, word in
            [
                "predict --checkpoint x y", "training"
                "train --help", "help"
                "train --evil", "--evil"
                "train --lr -1", "--lr"
                "train " + String.replicate 1000 "--hparam a=b ", "words"
                "", "training"
            ] do
            test $"refused: {line.Substring(0, min 30 line.Length)}" { refused line word }

        test "a run folder that names a libtorch loads nothing" {
            use folder = new TemporaryFolder()
            let state = RunFolders.finished folder
            Directory.CreateDirectory(folder.At("evil", "lib")) |> ignore

            RunFolders.edit state (fun fields ->
                fields["Arguments"].AsArray().Add "--libtorch"
                fields["Arguments"].AsArray().Add(folder.At "evil"))

            let outcome = Executable.run folder.Path [ "train"; "--resume"; "runs" ]
            Expect.equal outcome.ExitCode 1 outcome.Err
            Expect.stringContains outcome.Err "--libtorch is never taken from a file" "and why"
        }

        test "options of the machine go with --resume" {
            use folder = new TemporaryFolder()
            RunFolders.finished folder |> ignore
            let machine = Executable.words "--device cpu --threads 1 --trim-memory"
            Executable.succeed folder.Path ([ "train"; "--resume"; "runs" ] @ machine) |> ignore
            let missing = Executable.run folder.Path [ "train"; "--resume"; "runs"; "--libtorch"; "gone" ]
            Expect.equal missing.ExitCode 2 missing.Err
            Expect.stringContains missing.Err "gone" "this command line's libtorch is the one that is looked for"
        }

        test "a run is not made longer: it says what to do instead" {
            use folder = new TemporaryFolder()
            RunFolders.finished folder |> ignore
            let outcome = Executable.run folder.Path [ "train"; "--resume"; "runs"; "--epochs"; "9" ]
            Expect.equal outcome.ExitCode 2 outcome.Err
            Expect.stringContains outcome.Err "--init" "how to train on"
        }
    ]
