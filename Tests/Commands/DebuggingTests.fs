module Hybrid.Tests.Commands.DebuggingTests

open System.IO
open System.Text.Json
open Expecto
open Hybrid
open Hybrid.Command
open Hybrid.Tests.Data

let private request line =
    match CommandLine.Read(Array.ofList (Executable.words $"train {line}")) with
    | Request.Train request -> request
    | other -> failtest $"{other}"

let private recipe (request: TrainRequest) = Training.Recipe(request, Models.Find(request.Model, 10))

let private limits line =
    let data = (request line).Data
    data.LimitTrain, data.LimitVal, data.LimitTest

let private requests =
    testList "requests" [
        for line, expected in
            [
                "--fast-dev-run", (128, 128, 128)
                "--fast-dev-run --batch-size 16 --limit-test 4", (16, 16, 4)
                // As Lightning 2 has it: the same number of batches of each, their own images, and all of the test images.
                "--overfit-batches 3 --batch-size 16", (48, 48, -1)
                "--overfit-batches 3 --batch-size 16 --limit-val 20", (48, 20, -1)
                "--overfit-batches 2147483647", (2147483647, 2147483647, -1)
            ] do
            test line { Expect.equal (limits line) expected "images of train, val and test" }

        test "a run of a comparison is stored as the train that it is" {
            let line =
                "compare --models ResNet --data folder:a --limit-val 3 --image-size 8 --refuse-broken --epochs 3 --batch-size 4 \
                 --seed 5 --precision float64 --threads 1 --out x"

            match CommandLine.Read(Array.ofList (Executable.words line)) with
            | Request.Compare compare ->
                let one = Requests.WithModel(compare.Train, "ResNet")

                match CommandLine.Read one.Arguments with
                | Request.Train train ->
                    Expect.equal train.Data one.Data "data"
                    Expect.equal (recipe train) (recipe one) "recipe"
                    Expect.equal train.Model.Name one.Model.Name "model"
                    Expect.equal train.Machine.Precision one.Machine.Precision "precision"
                    Expect.equal train.Out "" "where is not of the run"
                | other -> failtest $"{other}"
            | other -> failtest $"{other}"
        }

        test "one step is taken, or the same order in every epoch" {
            Expect.equal (recipe (request "--fast-dev-run")).MaxSteps 1L "steps"
            Expect.isFalse (recipe (request "--overfit-batches 2")).Shuffle "order"
            Expect.isTrue (recipe (request "--epochs 2")).Shuffle "else shuffled"
        }
    ]

let private runs =
    testList "runs" [
        test "a fast run goes through everything and leaves nothing" {
            use folder = new TemporaryFolder()
            let temporary = folder.At "temporary"
            Directory.CreateDirectory temporary |> ignore

            let arguments =
                Executable.words
                    "train --fast-dev-run --batch-size 16 --hparam num_blocks=1,1 --hparam c_hidden=4,8 --json"

            let outcome =
                Executable.finish (Executable.startWith [ "TMPDIR", temporary; "TMP", temporary ] folder.Path arguments)

            Expect.equal outcome.ExitCode 0 outcome.Err
            let result = outcome.Json
            Expect.equal (result.GetProperty("steps").GetInt64()) 1L "one step"

            for field in [ "val_acc"; "test_acc" ] do
                Expect.equal (result.GetProperty(field).GetDouble() * 16.0 % 1.0) 0.0 $"{field}: of one batch"

            for field in [ "run_dir"; "best_checkpoint" ] do
                Expect.equal (result.GetProperty(field).ValueKind) JsonValueKind.Null $"{field}: nothing is kept"

            Expect.equal (folder.Names()) [ "temporary" ] "no runs"
            Expect.isEmpty (Directory.GetDirectories(temporary, "hybrid-*")) "nor anything elsewhere"
        }

        test "more batches than there are images for are all, and that is said" {
            use folder = new TemporaryFolder()

            let outcome =
                Executable.words
                    "train --overfit-batches 2147483647 --max-steps 1 --limit-val 16 --limit-test 16 --batch-size 16 \
                     --hparam num_blocks=1,1 --hparam c_hidden=4,8 --epochs 1"
                |> Executable.succeed folder.Path

            Expect.stringContains outcome.Out "all of the 9,000 training images are taken" "said"
        }

        test "a few batches are learned by heart" {
            use folder = new TemporaryFolder()

            let result =
                Executable.words
                    "train --overfit-batches 1 --batch-size 16 --hparam num_blocks=1,1 --hparam c_hidden=8,16 --epochs 40 \
                     --schedule constant --augment none --limit-test 16 --monitor train_loss --json --out runs"
                |> Executable.succeed folder.Path
                |> _.Json

            Expect.equal (result.GetProperty("steps").GetInt64()) 40L "one batch an epoch"
            Expect.isLessThan (result.GetProperty("train_loss").GetDouble()) 0.5 "learned"
            let hparams = File.ReadAllText(folder.At("runs", "version_0", "hparams.yaml"))

            for line in [ "limit_train: 16"; "limit_val: 16"; "shuffle: false" ] do
                Expect.stringContains hparams line "the run's folder says so"
        }
    ]

let tests = testList "debugging" [ requests; runs ]
