module Hybrid.Tests.Commands.TuningTests

open System.IO
open Expecto
open Hybrid.Tests.Data

let private tiny =
    Executable.words
        "train --epochs 1 --limit-train 100 --limit-val 16 --limit-test 16 --hparam num_blocks=1,1,1 --hparam \
         c_hidden=4,8,8 --threads 1 --json"

/// The value of a key of `hparams.yaml`, on whatever level.
let private stored (folder: TemporaryFolder) out key =
    File.ReadAllLines(folder.At(out, "version_0", "hparams.yaml"))
    |> Array.pick (fun line ->
        match line.Trim().Split(": ") with
        | [| name; value |] when name = key -> Some value
        | _ -> None)

let private loss (outcome: Outcome) = outcome.Json.GetProperty("test_loss").GetDouble()

let tests =
    testList "looking before a run" [
        test "the batch size and the rate that are found are those of the run, and nothing else stays of the search" {
            use folder = new TemporaryFolder()

            let found =
                Executable.succeed folder.Path (tiny @ Executable.words "--batch-size auto --find-lr --out found")

            let size, rate = stored folder "found" "batch_size", stored folder "found" "lr"
            Expect.equal size "64" "the largest power of two in 100 images"
            Expect.stringContains found.Err $"Batch size {size}" "told"
            Expect.stringContains found.Err "Learning rate " "told"

            let curve = File.ReadAllLines(folder.At("found", "version_0", "lr_find.csv"))
            Expect.equal curve[0] "lr,loss,smoothed_loss" "header"

            Expect.isTrue
                (curve |> Array.exists (fun row -> row.StartsWith(rate + ",")))
                "the rate is one of the curve's"

            let picture = File.ReadAllText(folder.At("found", "version_0", "lr_find.svg"))
            Expect.stringContains picture "<svg" "a picture"

            let named =
                Executable.succeed folder.Path (tiny @ [ "--batch-size"; size; "--lr"; rate; "--out"; "named" ])

            Expect.equal (loss named) (loss found) "as if both had been named"

            let again = Executable.succeed folder.Path [ "train"; "--resume"; "found"; "--json" ]
            Expect.equal (loss again) (loss found) "taken up again"
            Expect.isFalse (again.Err.Contains "Learning rate") "without looking again"
        }

        test "looked for on the weights that the run starts from, those of a run's last state too" {
            use folder = new TemporaryFolder()
            Executable.succeed folder.Path (tiny @ Executable.words "--batch-size 16 --out first") |> ignore
            let last = folder.At("first", "version_0", "checkpoints", "last.safetensors")
            let more init = Executable.words "--batch-size 16 --find-lr --out second --init" @ [ init ]
            let found = Executable.succeed folder.Path (tiny @ more last)
            Expect.stringContains found.Err "Learning rate " "told"
            let ofRun = Executable.succeed folder.Path (tiny @ more (folder.At("first", "version_0")))
            Expect.stringContains ofRun.Err "its best checkpoint is taken" "a run's folder stands for its best one"
        }

        for arguments, named in
            [
                "--find-lr --lr 0.1", "--lr"
                "--find-lr --fast-dev-run", "--fast-dev-run"
                "--batch-size auto --overfit-batches 2", "--overfit-batches"
                "--batch-size aut", "auto"
                "--batch-size 0", "at least 1"
                "--find-lr --limit-train 100", "--batch-size"
            ] do
            test $"refused: {arguments}" {
                use folder = new TemporaryFolder()
                let outcome = Executable.run folder.Path ("train" :: Executable.words arguments)
                Expect.equal outcome.ExitCode 2 outcome.Err
                Expect.stringContains outcome.Err named "what was wrong"
                Expect.isEmpty (folder.Names()) "nothing half-written stays behind"
            }
    ]
