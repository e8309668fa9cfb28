module Hybrid.Tests.Commands.OwnDataTests

open System
open System.IO
open Expecto
open Hybrid.Host.Data
open Hybrid.Tests.Data
open HandmadePictures

/// The user's own cache stays as it is.
let private withoutCache () = Environment.SetEnvironmentVariable(ImageCache.Variable, "off")

/// Pictures of one colour a class, so that even a tiny network tells them apart.
let private fill (folder: TemporaryFolder) (place: string) classes count =
    for name, colour in classes do
        for number in 1..count do
            let shade = byte (number % 8)
            let red, green, blue = colour
            write (folder.At(place, name, $"{number}.png")) (plain 8 8 (red + shade, green + shade, blue + shade))

let private cat, dog, emu =
    ("cat", (200uy, 0uy, 0uy)), ("dog", (0uy, 200uy, 0uy)), ("emu", (0uy, 0uy, 200uy))

let private tiny =
    "--threads 1 --hparam num_blocks=1 --hparam c_hidden=8 --augment none --out runs --json"

let private train (folder: TemporaryFolder) (line: string) =
    Executable.succeed folder.Path (Executable.words $"train {tiny} {line}")

let private best (outcome: Outcome) = outcome.Json.GetProperty("best_checkpoint").GetString() |> string

let private tested (folder: TemporaryFolder) checkpoint (line: string) =
    Executable.run
        folder.Path
        ([ "test"; "--threads"; "1"; "--json"; "--checkpoint"; checkpoint ] @ Executable.words line)

let private counted (outcome: Outcome) =
    Expect.equal outcome.ExitCode 0 outcome.Err
    outcome.Json.GetProperty("count").GetInt32(), outcome.Json.GetProperty("correct").GetInt32()

let private refused words (outcome: Outcome) =
    Expect.equal outcome.ExitCode 2 outcome.Err

    for word in words do
        Expect.stringContains outcome.Err word "what was wrong"

let private resume (folder: TemporaryFolder) (line: string) =
    Executable.run folder.Path (Executable.words $"train --threads 1 --resume runs/version_0 {line}")

let tests =
    testList "own data" [
        test "a new folder of classes is tested as a whole, by the names of the classes" {
            withoutCache ()
            use folder = new TemporaryFolder()
            fill folder "set/train" [ cat; dog; emu ] 20
            // As a shell completes the name.
            let checkpoint = best (train folder "--data folder:set/ --epochs 8 --batch-size 8")
            fill folder "new" [ cat; dog; emu ] 10

            for split in [ ""; "--split train"; "--split val" ] do
                Expect.equal (counted (tested folder checkpoint $"--data folder:new {split}")) (30, 30) split

            // Without the first class the others' places are other ones.
            fill folder "some" [ dog; emu ] 10
            let some = tested folder checkpoint "--data folder:some"
            Expect.equal (counted some) (20, 20) "dogs and emus"
            Expect.stringContains some.Err "No images of cat" "said"
            fill folder "one/test" [ emu ] 3
            Expect.equal (counted (tested folder checkpoint "--data folder:one")) (3, 3) "a part alone, of one class"
            fill folder "other" [ cat; ("gnu", (9uy, 9uy, 9uy)) ] 2
            let other = tested folder checkpoint "--data folder:other"
            other |> refused [ "gnu"; "cat, dog, emu" ]
            Expect.isFalse (other.Err.Contains "tested on the other classes") "nothing was tested"
            // A set in parts that it was not trained on: nothing of train is held back, unless that is asked for.
            fill folder "parts/train" [ cat; dog; emu ] 10

            Expect.equal
                (counted (tested folder checkpoint "--data folder:parts --split train"))
                (30, 30)
                "all of train"

            let val' = tested folder checkpoint "--data folder:parts --split val"
            Expect.equal (counted val') (3, 3) "as training would hold them back"
            Expect.stringContains val'.Err "has no folder val" "said"
            let asked = tested folder checkpoint "--data folder:parts --split train --val-size 6"
            Expect.equal (counted asked) (24, 24) "as asked"
            fill folder "cased" [ ("Cat", snd cat); dog ] 2
            tested folder checkpoint "--data folder:cased" |> refused [ "only in case" ]
            // A run's folder stands for its best checkpoint.
            let run = tested folder "runs/version_0" "--split val"
            Expect.equal (counted run) (6, 6) "the same file"
            Expect.stringContains run.Err "its best checkpoint is taken, " "said"
            tested folder "runs" "--split val" |> refused [ "holds runs"; "version_0" ]
            tested folder checkpoint "" |> refused [ "no folder test"; "--split val" ]
            // What it was trained on is split as it was.
            Expect.equal
                (counted (tested folder checkpoint "--data folder:set --split train"))
                (54, 54)
                "without the slash"

            Expect.equal (counted (tested folder checkpoint "--split val")) (6, 6) "the validation images"
            Directory.Move(folder.At "set", folder.At "moved")
            tested folder checkpoint "--split val" |> refused [ "is not there"; "--data" ]
        }

        test "a small set gets batches that fit, and is told what is made of it" {
            withoutCache ()
            use folder = new TemporaryFolder()
            fill folder "set/train" [ cat; dog ] 45
            fill folder "set/train" [ emu ] 3
            let usual = train folder "--data folder:set --epochs 1"
            Expect.stringContains usual.Err "brought to 32x32" "the size"
            Expect.stringContains usual.Err "few for batches of 128: they are of 8 here" "the size that was chosen"
            Expect.stringContains usual.Err "1 epoch of batches of 8" "of 84 images"
            Expect.equal (usual.Json.GetProperty("steps").GetInt64()) 11L "the last one smaller"
            Expect.stringContains usual.Err "No images to validate on of emu" "a tenth of three"
            let named = train folder "--data folder:set --epochs 1 --batch-size 64 --image-size 16"
            Expect.stringContains named.Err "brought to 16x16" "the size"
            Expect.stringContains named.Err "leave out 20 of 84" "what is named stays"
            Expect.equal (named.Json.GetProperty("steps").GetInt64()) 1L "one whole batch"
        }

        for line, images, size, keepsLast in
            [
                "--data folder:x", 360, Some 32, true
                "--data folder:x", 17, Some 8, false
                "--data folder:x", 3, Some 3, true
                "--data folder:x", 1280, None, false
                "--data folder:x --init y", 360, Some 32, false
                "--data folder:x --init y", 108, Some 8, true
                "--data folder:x --batch-size 64", 360, Some 64, false
                "--data folder:x --batch-size auto", 360, None, false
                "--data folder:x --overfit-batches 1", 128, None, false
                "--data shapes", 360, None, false
            ] do
            test $"{images} images of {line}" {
                let read words =
                    match Hybrid.CommandLine.Read [| "train"; yield! words |] with
                    | Hybrid.Command.Request.Train request -> request
                    | other -> failtest $"{other}"

                let recipe request = Hybrid.Training.Recipe(request, Hybrid.Models.Find(request.Model, 2))
                let request = read (Executable.words line)
                let fitted = Hybrid.Requests.Fitted(request, (recipe request).BatchSize, images)
                Expect.equal (recipe fitted).BatchSize (Option.defaultValue 128 size) "images a batch"
                Expect.equal (recipe fitted).DropLast (not keepsLast) "the last batch"
                // A run that is taken up again has the same, whatever its data has become.
                let again = read (Array.tail fitted.Arguments)
                Expect.equal again.Settings fitted.Settings "in the stored command line too"
                Expect.equal (recipe again) (recipe fitted) "and its recipe"
            }

        test "a run is not taken up on data that was changed, unless that is accepted" {
            withoutCache ()
            use folder = new TemporaryFolder()
            fill folder "set/train" [ cat; dog ] 20
            train folder "--data folder:set --epochs 2 --batch-size 8" |> ignore
            let picture = folder.At("set", "train", "cat", "1.png")
            let before = File.ReadAllBytes picture
            Expect.equal (resume folder "").ExitCode 0 "unchanged"
            write (folder.At("set", "train", "cat", "new.png")) before
            resume folder "" |> refused [ "37 images to train on where there were 36"; "--accept-changed-data" ]
            let accepted = resume folder "--accept-changed-data"
            Expect.equal accepted.ExitCode 0 accepted.Err
            Expect.stringContains (accepted.Out + accepted.Err) "going on as asked" "said"
            File.Delete(folder.At("set", "train", "cat", "new.png"))
            File.Move(picture, folder.At("set", "train", "cat", "x.png"))
            resume folder "" |> refused [ "other files" ]
            File.Move(folder.At("set", "train", "cat", "x.png"), picture)
            write picture (plain 8 8 (before[0], 99uy, 99uy))
            resume folder "" |> refused [ "is not as the run left it" ]
            write picture before
            fill folder "set/train" [ emu ] 4
            resume folder "--accept-changed-data" |> refused [ "the class emu is new"; "another network" ]
        }

        test "on changed data the schedule goes on by epochs, and the best is looked for anew" {
            withoutCache ()
            use folder = new TemporaryFolder()
            fill folder "set/train" [ cat; dog ] 20

            train
                folder
                "--data folder:set --epochs 4 --batch-size 8 --schedule milestones --milestones 3 --save-top-k -1 --save-full-state"
            |> ignore

            let run = folder.At("runs", "version_0")
            let second = Path.Combine(run, "checkpoints", "epoch=1-step=8.safetensors")
            let first = Path.Combine(run, "checkpoints", "epoch=0-step=4.safetensors")

            // In the middle of the second epoch.
            RunFolders.edit second (fun state ->
                for name, value in
                    [ "Epoch", 1; "Batch", 2; "Step", 6; "OptimizerSteps", 6; "Count", 16; "Correct", 0 ] do
                    state["Position"].AsObject()[name] <- Text.Json.Nodes.JsonValue.Create value)

            fill folder "set/train" [ cat; dog ] 60

            let outcome =
                Executable.run folder.Path [ "train"; "--threads"; "1"; "--resume"; second; "--accept-changed-data" ]

            Expect.equal outcome.ExitCode 0 outcome.Err
            Expect.stringContains outcome.Out "val_acc is of other images now" "the best so far says nothing"
            Expect.isFalse (outcome.Out.Contains "goes on after") "the epoch is begun anew"
            Expect.isTrue (File.Exists first) "earlier checkpoints stay"
            // 6 steps before, 13 in each epoch since.
            let state =
                Hybrid.Host.Checkpoints.CheckpointFile.Read(Path.Combine(run, "checkpoints", "last.safetensors"))

            let position = Hybrid.Host.Checkpoints.RunState.Read("last", state).Position

            Expect.equal
                (position.Epoch, position.Step, position.Left)
                (4, 45L, 7L)
                "45 steps, 4 epochs of 13 but for 7"

            let rates =
                File.ReadAllLines(Path.Combine(run, "epochs.csv"))
                |> Array.skip 1
                |> Array.map (fun line -> (line.Split ',')[0], (line.Split ',')[2])

            Expect.equal
                (Array.skip 2 rates)
                [| "1", "0.1"; "2", "0.1"; "3", "0.010000000000000002" |]
                "the rate falls after 3 epochs"

            let again = resume folder ""
            Expect.equal again.ExitCode 0 again.Err
        }

        test "a part is tested as training had it, or not at all" {
            withoutCache ()
            use folder = new TemporaryFolder()
            fill folder "set/train" [ cat; dog ] 20
            let run = train folder "--data folder:set --epochs 2 --batch-size 8 --val-size 10 --split-seed 7"
            let checkpoint = best run
            let held = tested folder checkpoint "--split val"
            Expect.equal (fst (counted held)) 10 "as many as training held back"
            let accuracy (outcome: Outcome) (name: string) = outcome.Json.GetProperty(name).GetDouble()
            Expect.equal (accuracy held "acc") (accuracy run "val_acc") "and the same ones"
            Expect.equal (fst (counted (tested folder checkpoint "--split val --limit-val 3"))) 3 "or the first of them"

            for other in [ "--val-size 20"; "--split-seed 8" ] do
                tested folder checkpoint $"--split val {other}" |> refused [ "--val-size 10 --split-seed 7" ]

            tested folder checkpoint $"--split val --split-seed {Hybrid.Command.DataRequest.usualSeed}"
            |> refused [ "--val-size 10 --split-seed 7" ]

            let last = folder.At("runs", "version_0", "checkpoints", "last.safetensors")
            let exported = folder.At "exported.ckpt"
            Executable.succeed folder.Path [ "export"; "--checkpoint"; checkpoint; "--to"; exported ] |> ignore
            fill folder "set/train" [ cat; dog ] 25

            for checkpoint in [ checkpoint; last; exported ] do
                tested folder checkpoint "--split val" |> refused [ "other images"; "--accept-changed-data" ]

            let accepted = tested folder checkpoint "--split val --accept-changed-data"
            Expect.equal (fst (counted accepted)) 10 "asked for"
            Expect.stringContains accepted.Err "may have been trained on some of them" "said"
        }

        test "what a checkpoint names is never downloaded" {
            use folder = new TemporaryFolder()
            let run = train folder "--limit-train 32 --limit-val 8 --limit-test 8 --batch-size 16 --epochs 1"
            let checkpoint = best run
            let file = Hybrid.Host.Checkpoints.Safetensors.Read checkpoint
            let metadata = Collections.Generic.Dictionary<string, string>(Seq.toArray file.Metadata)
            metadata["data"] <- $"""cifar10:{folder.At "fresh"}"""
            let named = folder.At "named.safetensors"
            Hybrid.Host.Checkpoints.Safetensors.Write(named, file.Tensors, metadata)
            tested folder named "" |> refused [ "cifar10:"; "not there" ]
            Expect.isFalse (Directory.Exists(folder.At "fresh")) "nothing was made"
        }

        test "what is beside train is named, with what to do with it" {
            withoutCache ()
            use folder = new TemporaryFolder()
            fill folder "set/train" [ cat; dog ] 8
            fill folder "set/eval" [ cat; dog ] 2
            fill folder "set/Train2" [ emu ] 2
            fill folder "set/train" [ ("Cat", snd cat) ] 4
            let outcome = train folder "--data folder:set --fast-dev-run"
            Expect.stringContains outcome.Err ("hybrid test --data folder:" + folder.At("set", "eval")) "to test on"

            Expect.stringContains
                outcome.Err
                ("'" + folder.At("set", "Train2") + "': holds pictures and is not read")
                "else"

            Expect.stringContains outcome.Err "'Cat' and 'cat'" "two classes"
            fill folder "mixed" [ ("cat/train", snd cat); ("cat/test", snd cat); ("dog/train", snd dog) ] 4
            let mixed = train folder "--data folder:mixed --fast-dev-run"
            Expect.stringContains mixed.Err "whose pictures are read together" "parts inside classes"
        }

        for given, expected in [ "pets", "folder:pets"; "./a/b", "folder:./a/b"; "foldr:x", "folder:x" ] do
            test $"--data {given} is told of {expected}" {
                match Hybrid.CommandLine.Read [| "train"; "--data"; given |] with
                | Hybrid.Command.Request.Wrong message -> Expect.stringContains message expected "proposed"
                | other -> failtest $"{other}"
            }

        test "a path with NUL is refused in a line" {
            match Hybrid.CommandLine.Read [| "train"; "--data"; "folder:a\000b" |] with
            | Hybrid.Command.Request.Wrong message -> Expect.stringContains message "NUL" "named"
            | other -> failtest $"{other}"
        }

        for closed, what in [ "set/train/cat", "a class"; "set", "the set"; ".", "a folder on the way" ] do
            test $"{what} that may not be entered is named, and not told to be missing" {
                withoutCache ()
                use folder = new TemporaryFolder()
                fill folder "set/train" [ cat; dog ] 4
                let set = folder.At "set"
                let closed = Path.GetFullPath(folder.At(closed.Split '/'))
                let mode = File.GetUnixFileMode closed
                File.SetUnixFileMode(closed, UnixFileMode.None)

                let outcome =
                    try
                        Executable.runWithoutRights "/" [ "train"; "--data"; $"folder:{set}" ]
                    finally
                        File.SetUnixFileMode(closed, mode)

                outcome |> refused [ (if what = "a class" then closed else set) ]
                Expect.isFalse (outcome.Err.Contains "no folder") outcome.Err
            }

        test "weights of another set are fine-tuned on pictures: the last layer at first, the rest more slowly" {
            withoutCache ()
            use folder = new TemporaryFolder()
            fill folder "old" [ cat; dog ] 20
            fill folder "new" [ cat; dog; emu ] 120
            let start = best (train folder "--data folder:old --epochs 3 --batch-size 8")
            let outcome = train folder $"--data folder:new --init {start} --epochs 4"
            Expect.stringContains outcome.Err "4 epochs of batches of 32, AdamW at a rate of 0.001" "the recipe"
            Expect.stringContains outcome.Err "trained from epoch 2 on at 0.1 times that rate" "the body"
            let yaml = File.ReadAllText(folder.At("runs", "version_1", "hparams.yaml"))
            Expect.stringContains yaml "freeze_body: 1" "stored"
            Expect.stringContains yaml "body_lr_factor: 0.1" "stored"

            let again =
                Executable.run folder.Path (Executable.words "train --config runs/version_1/run.yaml --json")

            Expect.equal again.ExitCode 0 again.Err

            let same (name: string) =
                outcome.Json.GetProperty(name).GetRawText() = again.Json.GetProperty(name).GetRawText()

            Expect.isTrue (same "val_loss" && same "train_loss") "the file of options repeats it"
        }

        test "a moved set is the same set" {
            withoutCache ()
            use folder = new TemporaryFolder()
            fill folder "set/train" [ cat; dog ] 20
            train folder "--data folder:set --epochs 2 --batch-size 8" |> ignore
            Directory.Move(folder.At "set", folder.At "moved")
            resume folder "" |> refused [ folder.At "set"; "--data folder:DIR" ]
            let found = resume folder "--data folder:moved"
            Expect.equal found.ExitCode 0 found.Err
            resume folder "--data shapes" |> refused [ "another place" ]
        }
    ]
