module Hybrid.Tests.Commands.TrainTests

open System.IO
open System.Text.Json
open Expecto
open Hybrid.Host.Checkpoints
open Hybrid.Tests.Data

/// A run of a few seconds: a narrow network on a few of the drawn images.
let private small =
    Executable.words
        "train --json --epochs 2 --batch-size 32 --limit-train 256 --limit-val 64 --limit-test 64 \
         --hparam num_blocks=1,1,1 --hparam c_hidden=4,8,8 --log-every 4 --out runs"

let private text (json: JsonElement) (field: string) = json.GetProperty(field).GetString() |> string

let private tensors path =
    let checkpoint = CheckpointFile.Read path
    [ for tensor in checkpoint.Tensors -> tensor.Name, tensor.Bytes.ToArray() ]

let tests =
    testList "train" [
        test "writes a run's folder, and its checkpoint tests the same" {
            use folder = new TemporaryFolder()
            // The best epoch is not the last, and its weights are not those that are trained.
            let unusual = Executable.words "--monitor train_loss --mode max --ema 0.5 --save-full-state"
            let result = (Executable.succeed folder.Path (small @ unusual)).Json
            Expect.equal (result.GetProperty("best_epoch").GetInt32()) 0 "the loss is highest at first"
            Expect.equal (text result "model") "ResNet" "model"
            Expect.equal (result.GetProperty("epochs").GetInt32()) 2 "epochs"
            Expect.equal (result.GetProperty("steps").GetInt64()) 16L "steps: 256 images in batches of 32, twice"

            let written = File.ReadAllText(folder.At("runs", "version_0", "hparams.yaml"))
            let stored = (CheckpointFile.Read(text result "best_checkpoint")).HyperParameters.ToJsonString()

            for name, value in
                [
                    "monitor", "train_loss"
                    "mode", "max"
                    "precision", "float32"
                    "device", "cpu"
                    "data", "shapes"
                ] do
                Expect.stringContains written $"{name}: {value}" "the run's folder says what it was started with"
                Expect.stringContains stored $"\"{name}\":\"{value}\"" "and so does the checkpoint"

            for file in [ "hparams.yaml"; "metrics.csv" ] do
                Expect.isTrue (File.Exists(folder.At("runs", "version_0", file))) file

            let checkpoint = text result "best_checkpoint"

            for split in [ "val"; "test" ] do
                let arguments = [ "test"; "--checkpoint"; checkpoint; "--split"; split; "--json" ]
                let limits = Executable.words "--limit-val 64 --limit-test 64 --limit-train 256 --batch-size 32"
                let again = (Executable.succeed folder.Path (arguments @ limits)).Json

                for field in [ "acc"; "loss" ] do
                    Expect.equal
                        (again.GetProperty(field).GetDouble())
                        (result.GetProperty($"{split}_{field}").GetDouble())
                        $"{split}_{field}: the file alone rebuilds the network, its data and its normalisation"
        }

        test "a checkpoint of other classes than the data is refused" {
            use folder = new TemporaryFolder()
            let result = (Executable.succeed folder.Path (small @ [ "--max-steps"; "1" ])).Json
            Directory.CreateDirectory(folder.At "cifar") |> ignore

            for name in [ for n in 1..5 -> $"data_batch_{n}.bin" ] @ [ "test_batch.bin" ] do
                File.WriteAllBytes(folder.At("cifar", name), Array.zeroCreate (3073 * 2))

            let checkpoint = text result "best_checkpoint"

            let outcome =
                Executable.run folder.Path [ "test"; "--checkpoint"; checkpoint; "--data"; "cifar10:cifar" ]

            Expect.equal outcome.ExitCode 2 outcome.Err

            for word in [ "disc"; "airplane" ] do
                Expect.stringContains outcome.Err word "both sets of classes"
        }

        test "the same seed gives the same weights, byte for byte; another seed does not" {
            use folder = new TemporaryFolder()

            let weights seed =
                let result = (Executable.succeed folder.Path (small @ [ "--seed"; seed ])).Json
                tensors (text result "best_checkpoint")

            let first = weights "7"
            Expect.equal (weights "7") first "the same seed twice"
            Expect.notEqual (weights "8") first "another seed"
        }

        test "the file that a run leaves repeats it from anywhere, byte for byte" {
            use folder = new TemporaryFolder()
            let begun = (Executable.succeed folder.Path (small @ [ "--max-steps"; "2" ])).Json
            let init = Path.GetRelativePath(folder.Path, text begun "best_checkpoint")

            let settings =
                Executable.words
                    "--optimizer adamw --betas 0.8,0.95 --lr 1e-3 --schedule one-cycle --ema 0.5 --no-drop-last --no-save-last \
                     --seed 9 --threads 1"

            let run = (Executable.succeed folder.Path (small @ settings @ [ "--init"; init ])).Json
            let file = Path.Combine(text run "run_dir", "run.yaml")
            let written = File.ReadAllText file

            for absent in [ "libtorch"; "json"; "out:" ] do
                Expect.isFalse (written.Contains absent) $"{absent} is not of the run"

            Directory.CreateDirectory(folder.At "elsewhere") |> ignore

            let repeat arguments =
                (Executable.succeed (folder.At "elsewhere") ([ "train"; "--config"; file; "--json" ] @ arguments)).Json

            let weights run = tensors (text run "best_checkpoint")
            Expect.equal (weights (repeat [])) (weights run) "the same weights"
            Expect.notEqual (weights (repeat [ "--seed"; "8" ])) (weights run) "the command line wins"
        }

        test "logs as Lightning lays them out" {
            use folder = new TemporaryFolder()
            Executable.succeed folder.Path (small @ [ "--lr-monitor"; "step" ]) |> ignore
            let lines = File.ReadAllLines(folder.At("runs", "version_0", "metrics.csv"))
            Expect.equal lines[0] "epoch,lr-SGD,step,train_acc,train_loss,val_acc,val_loss" "a sorted header"
            let columns = lines[0].Split ','

            let steps column =
                let index = System.Array.IndexOf(columns, column)

                [
                    for line in Array.skip 1 lines do
                        let fields = line.Split ','

                        if fields[index] <> "" then
                            int fields[2]
                ]

            Expect.equal (steps "train_loss") [ 3; 7; 11; 15 ] "every fourth step, counted from 0"
            Expect.equal (steps "val_acc") [ 7; 15 ] "at each epoch's last step"
            Expect.equal (steps "train_acc") [ 7; 15 ] "at each epoch's last step"
            Expect.equal (steps "lr-SGD") [ 3; 7; 11; 15 ] "with the loss"
        }

        test "each run has a folder of its own, one above the highest" {
            use folder = new TemporaryFolder()
            Directory.CreateDirectory(folder.At("runs", "version_7")) |> ignore
            let result = (Executable.succeed folder.Path (small @ [ "--max-steps"; "1" ])).Json
            Expect.stringEnds (text result "run_dir") "version_8" "the next"
            Expect.equal (result.GetProperty("steps").GetInt64()) 1L "--max-steps"
        }

        test "without validation the last epoch is kept" {
            use folder = new TemporaryFolder()
            let result = (Executable.succeed folder.Path (small @ [ "--val-size"; "0" ])).Json
            Expect.equal (result.GetProperty("best_epoch").GetInt32()) 1 "the last of two epochs"
            Expect.equal (result.GetProperty("val_acc").ValueKind) JsonValueKind.Null "nothing to validate on"
        }

        test "patience ends a run that gets no better" {
            use folder = new TemporaryFolder()
            let frozen = [ "--lr"; "1e-30"; "--epochs"; "9"; "--patience"; "2"; "--monitor"; "train_loss" ]
            let kept = small |> List.filter (fun word -> word <> "--epochs" && word <> "2")
            let arguments = kept @ frozen @ [ "--augment"; "none"; "--no-shuffle"; "--no-drop-last" ]
            let outcome = Executable.succeed folder.Path arguments
            Expect.isLessThan (outcome.Json.GetProperty("epochs").GetInt32()) 9 "ended early"
            Expect.stringContains outcome.Err "Ended early: 2 epochs without a better train_loss" "and why"
            // It has ended: taken up again it makes no step.
            let again = Executable.succeed folder.Path [ "train"; "--resume"; "runs"; "--json" ]
            let steps (outcome: Outcome) = outcome.Json.GetProperty("steps").GetInt64()
            Expect.equal (steps again) (steps outcome) "steps"
        }

        test "without best checkpoints and without a last state, the last weights are tested" {
            use folder = new TemporaryFolder()
            let arguments = small @ [ "--save-top-k"; "0"; "--no-save-last" ]
            let result = (Executable.succeed folder.Path arguments).Json
            Expect.equal (result.GetProperty("best_checkpoint").ValueKind) JsonValueKind.Null "no file"
            Expect.equal (result.GetProperty("best_epoch").GetInt32()) 1 "the last"
            Expect.isFalse (Directory.Exists(folder.At("runs", "version_0", "checkpoints"))) "not even a folder"
        }

        test "--init starts from a checkpoint's weights" {
            use folder = new TemporaryFolder()
            let first = (Executable.succeed folder.Path small).Json
            let checkpoint = text first "best_checkpoint"
            let still = [ "--init"; checkpoint; "--lr"; "1e-30"; "--weight-decay"; "0"; "--max-steps"; "1" ]
            let second = (Executable.succeed folder.Path (small @ still)).Json

            let parameters path =
                tensors path |> List.filter (fun (name, _) -> name.EndsWith ".weight" || name.EndsWith ".bias")

            Expect.equal (parameters (text second "best_checkpoint")) (parameters checkpoint) "unchanged weights"
        }

        test "--freeze-body trains the last layer alone, from a run's saved state as well" {
            use folder = new TemporaryFolder()
            Executable.succeed folder.Path (small @ [ "--max-steps"; "9" ]) |> ignore
            let start = folder.At("runs", "version_0", "checkpoints", "last.safetensors")
            let frozen = [ "--init"; start; "--freeze-body"; "--max-steps"; "3" ]
            let result = (Executable.succeed folder.Path (small @ frozen)).Json
            let after = tensors (text result "best_checkpoint")
            let before = tensors start |> List.filter (fun (name, _) -> not (name.StartsWith "optimizer."))
            let changed = List.zip before after |> List.filter (fun (a, b) -> a <> b) |> List.map (fst >> fst)
            Expect.equal changed [ "output_net.2.weight"; "output_net.2.bias" ] "all else is as it was, byte for byte"

            Expect.stringContains
                (File.ReadAllText(folder.At("runs", "version_1", "hparams.yaml")))
                "freeze_body: true"
                "told"
        }

        test "odd batches of a narrow network, where oneDNN's own kernel would write outside its memory" {
            use folder = new TemporaryFolder()
            let odd = [ "--batch-size"; "29"; "--max-steps"; "2"; "--limit-train"; "58" ]

            let kept =
                small
                |> List.pairwise
                |> List.filter (fun (option, _) -> option = "--json" || option = "--hparam" || option = "--out")
                |> List.collect (fun (option, value) -> if option = "--json" then [ option ] else [ option; value ])

            Executable.succeed folder.Path ("train" :: kept @ odd) |> ignore
        }
    ]
