/// Every option of every verb, as the help lists them, without a process.
module Hybrid.Tests.Commands.OptionTests

open System
open System.Text.RegularExpressions
open Expecto
open FSharp.Reflection
open Hybrid
open Hybrid.Command
open Hybrid.Tests.Training.SmallData

/// Reads a command line where a file of options says `settings`.
let private readWith (settings: (string * string) list) (line: string) =
    let file = [| for name, text in settings -> { Name = name; Text = text } |]

    CommandLine.Read(
        Array.ofList (Executable.words line),
        { Home = "/home/me"; ReadSettings = Func<_, _>(fun _ -> file) }
    )

let private read line = readWith [] line

let private help verb =
    match read $"{verb} --help" with
    | Request.Show text -> text
    | other -> failtest $"{other}"

/// A verb with all that it needs.
let private verbs = [
    "train", []
    "test", [ "checkpoint", "c" ]
    "predict", [ "checkpoint", "c" ]
    "summary", []
    "export", [ "checkpoint", "c"; "to", "d.onnx" ]
    "compare", []
    "bench", []
    "doctor", []
]

/// What an option goes with, where that is not everything.
let private beside verb option =
    match verb, option with
    | "train", "weights"
    | _, ("freeze-body" | "body-lr-factor") -> [ "init", "x" ]
    | _, "min-delta" -> [ "patience", "1" ]
    | _, ("betas" | "eps") -> [ "optimizer", "adam" ]
    | _, "alpha" -> [ "optimizer", "rmsprop" ]
    | _, "min-lr" -> [ "schedule", "cosine" ]
    | _, ("pct-start" | "div-factor" | "final-div-factor") -> [ "schedule", "one-cycle" ]
    | _, "warmup-start" -> [ "warmup-epochs", "1" ]
    | _, "image-size" -> [ "data", "folder:x" ]
    | "train", "accept-changed-data" -> [ "resume", "r" ]
    | _ -> []

/// A value that is not the default, by what stands for it in the help.
let private value option kind =
    match option, kind with
    | _, "DATA" -> "folder:~/a"
    | "hparam", _ -> "act_fn_name=gelu"
    | "model", _ -> "DenseNet"
    | "models", _ -> "ResNet,DenseNet"
    | "optimizer", _ -> "adam"
    | "schedule", _ -> "cosine"
    | "augment", _ -> "none"
    | "against", _ -> "naive"
    | "opset", _ -> "18"
    | _, "SPLIT" -> "val"
    | _, "SHAPE" -> "3x8x8"
    | _, "SIZE" -> "48x64"
    | _, "DEVICE" -> "cpu"
    | _, "TYPE" -> "float64"
    | _, "FLOAT" -> "float16"
    | _, "METRIC" -> "train_loss"
    | _, "MODE" -> "min"
    | _, "INTERVAL" -> "step"
    | _, "EPOCHS" -> "2,3"
    | _, "X,X" -> "0.5,0.75"
    | _, "X" -> "0.03"
    | _, ("N" | "[N]") -> "2"
    | _, ("FILE" | "FOLDER" | "KEY" | "CHECKPOINT" | "[RUN]") -> "~/some/where"
    | _ -> failtest $"no value for --{option} {kind}"

let private options verb = [
    for found in Regex.Matches(help verb, @"(?m)^    --([a-z0-9-]+)(?: (\S+))?(?:  |$)") ->
        found.Groups[1].Value, found.Groups[2].Value
]

/// The same whatever the order of its options.
let private shown request =
    let sorted (train: TrainRequest) = { train with Settings = List.sort train.Settings }

    match request with
    | Request.Train train -> $"%A{sorted train}"
    | Request.Compare compare -> $"%A{compare.Models} {compare.Checkpoints} %A{sorted compare.Train}"
    | other -> $"%A{other}"

let private typed (given: (string * string) list) =
    given |> List.map (fun (name, text) -> $" --{name} {text}") |> String.concat ""

/// What a file has no say in.
let private startSomething = [ "libtorch"; "against" ]

let private requests =
    testList "each" [
        for verb, needed in verbs do
            for option, kind in options verb |> List.filter (fst >> (<>) "config") do
                test $"{verb} --{option}, apart, with = and from a file" {
                    let others = needed @ beside verb option |> List.filter (fst >> (<>) option) |> typed

                    let files = if verb = "predict" then " a.png" else ""
                    let text = if kind = "" then "true" else value option kind
                    let apart = if kind = "" then $"--{option}" else $"--{option} {text}"
                    let expected = read $"{verb} {apart}{others}{files}"

                    match expected with
                    | Request.Wrong message -> failtest message
                    | Request.Show text -> failtest text
                    | _ -> ()

                    let same = shown expected
                    let without = read $"{verb}{others}{files}"
                    let assigned = read $"{verb} --{option}={text}{others}{files}"
                    Expect.notEqual (shown without) same "it says something"
                    Expect.equal (shown assigned) same "with ="

                    for name in
                        [ option; option.Replace('-', '_') ]
                        |> List.filter (fun _ -> not (List.contains option startSomething)) do
                        let fromFile = readWith [ name, text ] $"{verb} --config f{others}{files}"
                        Expect.equal (shown fromFile) same "from a file"
                }
    ]

let private recipe line =
    match read line with
    | Request.Train train ->
        let name = if train.Model.Name = "" then "ResNet" else train.Model.Name
        Training.Recipe(train, model name [])
    | other -> failtest $"{line}: {other}"

/// The command line that makes a default one.
let private where option owner =
    match option, owner with
    | _, "" -> ""
    | "optimizer", model -> $" --model {model}"
    | ("milestones" | "epochs" | "augment" | "schedule"), "CIFAR" -> " --data cifar10"
    | ("milestones" | "epochs" | "augment" | "schedule"), "folder" -> " --data folder:x"
    | ("milestones" | "epochs" | "augment" | "schedule"), data -> $" --data {data}"
    | _, name when List.contains name [ "sgd"; "adamw"; "adam"; "rmsprop" ] -> $" --optimizer {name}"
    | _, other -> failtest $"{option} has a default of {other}"

/// The options of `train` with the defaults that the help tells, and where it says that they hold.
let private defaults = [
    for entry in Regex.Split(help "train", @"\n(?=    --)") |> Array.skip 1 do
        let text = Regex.Replace(entry, @"\s+", " ")
        let option = Regex.Match(text, @"^ --([a-z0-9-]+)").Groups[1].Value

        for found in Regex.Matches(text, @"\(default: ([^()]+)\)") do
            for one in found.Groups[1].Value.Split "; " do
                match one.Split " for " with
                | [| value; owners |] ->
                    for owner in owners.Split ", " do
                        option, owner, value
                | _ -> option, "", one
]

/// Not of the recipe, or told in words.
let private notOfRecipe = [
    "data"
    "val-size"
    "split-seed"
    "image-size"
    "model"
    "weights"
    "refuse-broken"
    "monitor"
    "mode"
    "min-delta"
    "lr-monitor"
    "save-top-k"
    "save-full-state"
    "save-every"
    "out"
    "device"
    "threads"
    "precision"
    "libtorch"
    "tf32"
    "warmup-epochs"
    "warmup-start"
    "clip-norm"
    "clip-value"
    "ema"
    "freeze-body"
    "body-lr-factor"
]

let private told =
    testList "told" [
        test "Argu knows the options that the rows have, and no other" {
            let rows =
                [
                    for verb, _ in verbs do
                        yield! options verb |> List.map fst
                ]
                @ [ "worker" ]

            let cases = [
                for case in FSharpType.GetUnionCases typeof<Argument> -> case.Name.ToLowerInvariant().Replace('_', '-')
            ]

            Expect.equal (List.sort cases) (List.distinct rows |> List.sort) "names"
        }

        test "a default that the help tells is what holds without the option" {
            let ofRecipe = defaults |> List.filter (fun (option, _, _) -> not (List.contains option notOfRecipe))
            Expect.isGreaterThan ofRecipe.Length 30 "defaults"

            for option, owner, text in ofRecipe do
                let others = beside "train" option |> typed
                let line = "train" + others + where option owner
                Expect.equal (recipe $"{line} --{option} {text}") (recipe line) $"--{option} {text} for {owner}"
        }
    ]

let private mistakes line =
    match read line with
    | Request.Wrong message -> List.ofArray (message.Split '\n')
    | other -> failtest $"{line}: {other}"

let private wrong =
    testList "wrong" [
        test "all mistakes are told at once" {
            let told =
                mistakes "train --lr 0,1 --epochs 0 --modl x --seed --threads 0 --json --json --limit-val 1.5"

            for word in
                [
                    "--lr is 0,1"
                    "--epochs is 0"
                    "--modl"
                    "--seed has no value"
                    "--threads"
                    "--json is given"
                    "1.5"
                ] do
                Expect.exists told (fun line -> line.Contains word) word

            Expect.equal told.Length 8 "one line each, and where to look"
            Expect.stringContains (mistakes "train --modl=x").Head "--modl; did you mean --model?" "also with ="

            let misfits =
                mistakes
                    "train --optimizer adam --momentum 0.5 --schedule constant --gamma 0.5 --min-delta 1 --log-every 0"

            Expect.equal misfits.Length 5 "also what does not go together"
        }

        test "what only follows from a mistake is not told" {
            for line, count in
                [
                    "train --optimizer admw --betas 0.8,0.9", 2
                    "train --schedule cosin --min-lr 0.01", 2
                    "train --model DenseNt --betas 0.8,0.9 --gamma 0.5", 2
                    "test --checkpont c", 2
                    "train --patience x --min-delta 0.1", 2
                    "train --learning-rate 0.1", 2
                ] do
                Expect.equal (mistakes line).Length count line
        }

        test "a hyperparameter is given once" {
            let told =
                mistakes "train --hparam num_blocks=1,1,1 --hparam act_fn_name=gelu --hparam num_blocks=2,2,2"

            Expect.stringContains told.Head "--hparam num_blocks is given more than once" "the later would win"

            match readWith [ "hparam", "num_blocks=1,1,1"; "hparam", "num_blocks=2,2,2" ] "train --config f" with
            | Request.Wrong message ->
                Expect.stringContains message "num_blocks is given more than once" "in a file too"
            | other -> failtest $"{other}"
        }

        test "behind -- nothing is an option" {
            match read "predict --checkpoint c -- --top -x.png --help" with
            | Request.Predict predict ->
                Expect.equal (List.ofSeq predict.Files) [ "--top"; "-x.png"; "--help" ] "files all of them"
                Expect.equal predict.Top 5 "nothing else"
            | other -> failtest $"{other}"

            Expect.stringContains (mistakes "train -- x").Head "'x' belongs to no option" "a verb without files"

            match read "train --epochs 3 --" with
            | Request.Train _ -> ()
            | other -> failtest $"{other}"
        }

        test "a flag is true, false or wrong" {
            let on =
                function
                | Request.Train train -> not (Training.Recipe(train, model "ResNet" [])).Shuffle
                | other -> failtest $"{other}"

            Expect.isTrue (on (read "train --no-shuffle=true")) "on"
            Expect.isFalse (on (read "train --no-shuffle=false")) "off"
            Expect.isFalse (on (readWith [ "no-shuffle", "true" ] "train --config f --no-shuffle=false")) "off again"
            Expect.stringContains (mistakes "train --no-shuffle=maybe").Head "true or false" "neither"
        }
    ]

let private files =
    testList "file" [
        test "the command line wins, and lists are told apart" {
            let file = [ "lr", "0.5"; "epochs", "3"; "hparam", "c_hidden=4,8,8"; "hparam", "num_blocks=1,1,1" ]

            match readWith file "train --config f --epochs 4 --hparam num_blocks=2,2,2" with
            | Request.Train train ->
                let recipe = Training.Recipe(train, model "ResNet" [])
                Expect.equal (recipe.LearningRate, recipe.Epochs) (0.5, 4) "of both"
                let hparams = Map.ofList (Models.Find(train.Model, 10)).Hparams
                Expect.equal hparams["num_blocks"] (Hparam.Ints [ 2; 2; 2 ]) "the later"
                Expect.equal hparams["c_hidden"] (Hparam.Ints [ 4; 8; 8 ]) "the file's"
            | other -> failtest $"{other}"
        }

        test "it says nothing that the verb does not know, and names no other file" {
            for name in [ "lrr"; "config"; "checkpoint" ] do
                match readWith [ name, "x" ] "train --config f.yaml" with
                | Request.Wrong message ->
                    Expect.stringContains message $"--{name}" "the option"
                    Expect.stringContains message "f.yaml" "and where it stands"
                | other -> failtest $"{other}"
        }

        test "nothing in it loads or starts anything" {
            for verb, option in [ "train", "libtorch"; "doctor", "libtorch"; "bench", "against"; "bench", "worker" ] do
                match readWith [ option, "naive" ] $"{verb} --config f.yaml" with
                | Request.Wrong message -> Expect.stringContains message $"--{option} is never taken from a file" verb
                | other -> failtest $"{other}"
        }

        test "where none can be read, that is said" {
            let read () = CommandLine.Read [| "train"; "--config"; "f" |] |> ignore
            Expect.throwsT<RequestException> read "not silently left out"
        }
    ]

let tests = testList "every option" [ requests; told; wrong; files ]
