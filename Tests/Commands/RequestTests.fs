module Hybrid.Tests.Commands.RequestTests

open System.IO
open Expecto
open Hybrid.Command
open Hybrid.Tests.Data

/// A wrong request: what is typed, its exit code, and what the message must name.
let private wrong = [
    "verb", [ "trian" ], 2, [ "'trian'"; "train" ]
    "option", [ "train"; "--modl"; "ResNet" ], 2, [ "--modl"; "--model" ]
    "model", [ "train"; "--model"; "resnt" ], 2, [ "resnt"; "ResNet"; "DenseNet" ]
    "hyperparameter", [ "train"; "--hparam"; "numblocks=3" ], 2, [ "numblocks"; "num_blocks" ]
    "hyperparameter's value", [ "train"; "--hparam"; "c_hidden=a" ], 2, [ "c_hidden"; "16,32,64" ]
    "activation", [ "train"; "--hparam"; "act_fn_name=swish" ], 2, [ "swish"; "gelu" ]
    "negative rate", [ "train"; "--lr"; "-1" ], 2, [ "--lr"; "-1" ]
    "no number", [ "train"; "--lr"; "fast" ], 2, [ "--lr"; "fast" ]
    "decimal comma", [ "train"; "--lr"; "0,1" ], 2, [ "--lr"; "0,1"; "0.1" ]
    "another model's number", [ "train"; "--model"; "resnet51" ], 2, [ "'resnet51'; allowed: GoogleNet" ]
    "an escape in a name",
    [ "test"; "--checkpoint"; "a\u001b]0;owned\u0007b\nhybrid: forged" ],
    2,
    [ @"a\u{1B}]0;owned\u{7}b" ]
    "a line in a folder's name", [ "train"; "--data"; "folder:here/b\nhybrid: forged" ], 2, [ @"b\u{A}hybrid: forged" ]
    "no epochs", [ "train"; "--epochs"; "0" ], 2, [ "--epochs"; "0" ]
    "data", [ "train"; "--data"; "cifar1o" ], 2, [ "cifar1o"; "cifar10" ]
    "device", [ "train"; "--device"; "gpu" ], 2, [ "gpu"; "cuda" ]
    "precision", [ "train"; "--precision"; "half" ], 2, [ "half"; "bfloat16" ]
    "optimiser", [ "train"; "--optimizer"; "adamx" ], 2, [ "adamx"; "adamw" ]
    "momentum of Adam", [ "train"; "--optimizer"; "adam"; "--momentum"; "0.5" ], 2, [ "--momentum"; "Adam" ]
    "more classes than the data", [ "train"; "--hparam"; "num_classes=7" ], 2, [ "7"; "10" ]
    "validation of everything", [ "train"; "--val-size"; "10000" ], 2, [ "--val-size"; "10000" ]
    "batch larger than the set", [ "train"; "--batch-size"; "100000" ], 2, [ "9000"; "--batch-size" ]
    "more gathered than there is",
    [ "train"; "--limit-train"; "64"; "--batch-size"; "16"; "--accumulate"; "2147483647" ],
    2,
    [ "--accumulate"; "at most 4" ]
    "a least change of nothing", [ "train"; "--min-delta"; "0.1" ], 2, [ "--min-delta"; "--patience" ]
    "fewer checkpoints than none", [ "train"; "--save-top-k"; "-2" ], 2, [ "--save-top-k"; "-1 for all" ]
    "the last state and not",
    [ "train"; "--save-every"; "9"; "--no-save-last" ],
    2,
    [ "--save-every"; "--no-save-last" ]
    "patience for nothing", [ "train"; "--patience"; "2"; "--val-size"; "0" ], 2, [ "val_acc"; "--monitor train_loss" ]
    "two ways to debug",
    [ "train"; "--fast-dev-run"; "--overfit-batches"; "2" ],
    2,
    [ "--fast-dev-run"; "--overfit-batches" ]
    "an option among files", [ "predict"; "--checkpoint"; "c"; "--topp"; "3"; "a.png" ], 2, [ "--topp"; "--top?" ]
    "no checkpoint", [ "test" ], 2, [ "--checkpoint" ]
    "missing checkpoint", [ "test"; "--checkpoint"; "gone.safetensors" ], 2, [ "gone.safetensors" ]
    "no CUDA here", [ "train"; "--device"; "cuda:99" ], 2, [ "cuda:99" ]
    "input too small", [ "summary"; "--model"; "DenseNet"; "--input"; "3x4x4" ], 2, [ "blocks.5.transition.3"; "1×1" ]
    "export to nowhere", [ "export"; "--checkpoint"; "x"; "--to"; "model.h5" ], 2, [ "model.h5"; ".safetensors" ]
]

let private saysOneThing (outcome: Outcome) code words =
    Expect.equal outcome.ExitCode code outcome.Err
    Expect.isLessThan (outcome.Err.TrimEnd().Split('\n').Length) 24 "one screen at most"
    Expect.isFalse (outcome.Err.Contains "   at ") $"a stack trace: {outcome.Err}"
    Expect.isFalse (outcome.Err.Contains "Exception") $"an exception: {outcome.Err}"

    for word in words do
        Expect.stringContains outcome.Err word "what was wrong, and what is allowed"

let tests =
    testList "Wrong requests" [
        for name, arguments, code, words in wrong do
            test name {
                use folder = new TemporaryFolder()
                let outcome = Executable.run folder.Path arguments
                saysOneThing outcome code words
                Expect.isEmpty (folder.Names()) "nothing half-written stays behind"
            }

        test "help and version are asked for in the usual ways" {
            use folder = new TemporaryFolder()
            let said words = (Executable.succeed folder.Path words).Out
            Expect.equal (said [ "help" ]) (said [ "--help" ]) "help"
            Expect.equal (said [ "help"; "train"; "me" ]) (said [ "train"; "--help" ]) "help for the first"
            Expect.equal (said [ "help"; "predict" ]) (said [ "predict"; "--help" ]) "help for a verb"

            for words in [ [ "-V" ]; [ "version" ] ] do
                Expect.equal (said words) (said [ "--version" ]) $"{words}"

            Expect.stringContains (said [ "predict"; "-h" ]) "WebP" "the formats that are taken"
        }

        test "where stderr takes nothing, the exit code stays" {
            if System.OperatingSystem.IsLinux() then
                let hybrid = Path.Combine(System.AppContext.BaseDirectory, "hybrid.dll")
                let shell = Executable.tool "sh" [ "-c"; $"dotnet '{hybrid}' trian 2>/dev/full" ]
                Expect.equal shell.ExitCode 2 "wrong, and not crashed"
        }

        test "the machine's language changes nothing" {
            use folder = new TemporaryFolder()

            let line =
                Executable.words
                    "train --limit-train 32 --limit-val 8 --limit-test 8 --batch-size 16 --hparam num_blocks=1 --hparam c_hidden=2 \
                     --threads 1 --lr 0.05 --epochs 1 --out runs"

            let said language =
                let variables = [ "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT", "0"; "LC_ALL", language ]
                let outcome = Executable.startWith variables folder.Path line |> Executable.finish
                // Where there is no ICU, .NET starts in no language at all.
                if outcome.Err.Contains "ICU" then
                    skiptest "no ICU here"

                Expect.equal outcome.ExitCode 0 $"{language}: {outcome.Err}"
                let lines = (outcome.Out + outcome.Err).Split '\n'

                let at text =
                    lines |> Array.filter _.Contains((text: string)) |> Array.map (fun it -> it.Split("  ")[1])

                at "train loss",
                [
                    for it in lines do
                        if it.Contains "rate of 0.05" then
                            "rate"
                ]

            let usual = said "C"
            Expect.isNonEmpty (snd usual) "the rate"

            for language in [ "de_DE.UTF-8"; "tr_TR.UTF-8"; "fa_IR.UTF-8"; "th_TH.UTF-8" ] do
                Expect.equal (said language) usual language
        }

        for redirection, code, word in
            [
                ">&-", 2, "stdout is closed"
                "1</dev/null", 2, "stdout is closed"
                ">/dev/full", 1, "stdout cannot be written to"
                "2>&-", 0, ""
            ] do
            test $"streams that take nothing: {redirection}" {
                if not (System.OperatingSystem.IsLinux()) then
                    skiptest "/proc is Linux's"

                let hybrid = Path.Combine(System.AppContext.BaseDirectory, "hybrid.dll")
                let shell = Executable.tool "sh" [ "-c"; $"dotnet '{hybrid}' summary {redirection}" ]
                Expect.equal shell.ExitCode code shell.Err
                Expect.stringContains shell.Err word "what to do"
            }

        test "~ is the home, also where a shell leaves it alone" {
            let read words =
                let here = { Home = "/home/me"; ReadSettings = System.Func<_, _>(fun _ -> [||]) }

                match Hybrid.CommandLine.Read(Array.ofList words, here) with
                | Hybrid.Command.Request.Train request -> request.Out, string request.Data.Source, request.Init
                | other -> failtest $"{other}"

            let home = read [ "train"; "--out=~/runs"; "--data=folder:~/photos"; "--init"; "~/a.safetensors" ]
            Expect.equal home ("/home/me/runs", "folder:/home/me/photos", "/home/me/a.safetensors") "below the home"
            let others = read [ "train"; "--out"; "~other/x"; "--data"; "folder:a~/b"; "--init"; "./~" ]
            Expect.equal others ("~other/x", "folder:a~/b", "./~") "nothing else"
        }

        for name, text, words in
            [
                "a decimal comma", "epochs: 2\nlr: 0,1", [ "--lr is 0,1"; "0.1"; "run.yaml" ]
                "an option that is none", "lrr: 0.1", [ "run.yaml"; "--lrr"; "--lr?" ]
                "an option twice", "lr: 0.1\nlr: 0.2", [ "run.yaml"; "--lr"; "more than once" ]
                "a file in a file", "config: other.yaml", [ "run.yaml"; "--config" ]
                "a list in a list", "seed: 1\nmilestones: [[1]]", [ "run.yaml"; "line 2" ]
                "no options", "- lr\n- 0.1", [ "run.yaml"; "line 1" ]
                "a reference", "lr: &rate 0.1\nmin_lr: *rate", [ "run.yaml"; "line 2" ]
                "a tag", "seed: 1\nout: !include other", [ "run.yaml"; "line 2"; "tags" ]
                "a tag of code", "lr: !!python/object/apply:os.system [x]", [ "run.yaml"; "line 1" ]
                "null", "seed: 1\nout: null", [ "run.yaml"; "line 2"; "null" ]
                "nothing", "out: ~", [ "run.yaml"; "line 1" ]
                "a hyperparameter twice", "hparam: {num_blocks: 1, num_blocks: 2}", [ "num_blocks"; "more than once" ]
                "a name with NUL", "out: \"a\\0b\"", [ "run.yaml"; "line 1"; "NUL" ]
                "more options than there are",
                "hparam:\n" + String.concat "\n" [ for i in 1..1001 -> $"  k{i}: 1" ],
                [ "run.yaml"; "1,001"; "at most 1,000" ]
                "depths", String.replicate 60_000 "[", [ "run.yaml"; "line 1" ]
                "a book", String.replicate 70_000 "#", [ "run.yaml"; "65536" ]
            ] do
            test $"a file of options: {name}" {
                use folder = new TemporaryFolder()
                File.WriteAllText(folder.At "run.yaml", text)
                saysOneThing (Executable.run folder.Path [ "train"; "--config"; "run.yaml" ]) 2 words
                Expect.equal (folder.Names()) [ "run.yaml" ] "nothing half-written stays behind"
            }

        test "a file of options: a name in another code" {
            use folder = new TemporaryFolder()
            File.WriteAllBytes(folder.At "run.yaml", [| yield! "out: caf"B; 0xE9uy |])
            saysOneThing (Executable.run folder.Path [ "train"; "--config"; "run.yaml" ]) 2 [ "run.yaml"; "UTF-8" ]
            Expect.equal (folder.Names()) [ "run.yaml" ] "no folder of a name that nobody gave"
        }

        test "a file of options that is not there" {
            use folder = new TemporaryFolder()
            saysOneThing (Executable.run folder.Path [ "train"; "--config"; "gone.yaml" ]) 2 [ "--config"; "gone.yaml" ]
        }

        test "a file that is no checkpoint" {
            use folder = new TemporaryFolder()
            File.WriteAllText(folder.At "model.ckpt", "not a checkpoint")
            let outcome = Executable.run folder.Path [ "summary"; "--checkpoint"; "model.ckpt" ]
            saysOneThing outcome 1 [ "model.ckpt" ]
        }

        test "a batch file cut short" {
            use folder = new TemporaryFolder()
            Directory.CreateDirectory(folder.At "cifar") |> ignore

            for name in [ for n in 1..5 -> $"data_batch_{n}.bin" ] @ [ "test_batch.bin" ] do
                File.WriteAllBytes(folder.At("cifar", name), Array.zeroCreate (3073 * 2))

            File.WriteAllBytes(folder.At("cifar", "data_batch_3.bin"), Array.zeroCreate 4000)
            let outcome = Executable.run folder.Path [ "train"; "--data"; "cifar10:cifar" ]
            saysOneThing outcome 1 [ "data_batch_3.bin"; "4,000" ]
            Expect.equal (folder.Names()) [ "cifar" ] "nothing half-written stays behind"
        }

        // The second looks at no loss before the epoch's end, and saves its state when it is lost already.
        for looks in [ "--log-every 1"; "--log-every 999 --save-every 1" ] do
            test $"a loss that is no number ends the run and leaves nothing ({looks})" {
                use folder = new TemporaryFolder()

                let outcome =
                    "train --limit-train 96 --batch-size 16 --limit-val 8 --hparam num_blocks=1,1 --hparam c_hidden=4,8 --lr 1e30 "
                    + looks
                    |> Executable.words
                    |> Executable.run folder.Path

                saysOneThing outcome 1 [ "diverged"; "train_loss of step 1 is NaN" ]
                Expect.isEmpty (folder.Names()) "nothing half-written stays behind"
            }

        test "help names every verb, and each verb's help its options with their defaults" {
            use folder = new TemporaryFolder()
            let help = Executable.succeed folder.Path [ "--help" ]

            for verb in [ "train"; "test"; "summary"; "export"; "compare"; "doctor" ] do
                Expect.stringContains help.Out verb "a verb"

            let train = Executable.succeed folder.Path [ "train"; "--help" ]
            Expect.equal (Executable.succeed folder.Path [ "train"; "-h" ]).Out train.Out "-h"
            Expect.equal (Executable.succeed folder.Path [ "-h" ]).Out help.Out "-h"

            for words in [ "--batch-size"; "default: 128"; "--seed"; "default: 42"; "--data" ] do
                Expect.stringContains train.Out words "an option"
        }
    ]
