/// The tutorial's published networks, through the executable.
module Hybrid.Tests.Commands.PublishedTests

open System.Globalization
open System.IO
open System.Text.Json
open Expecto
open Hybrid.Tests
open Hybrid.Tests.Data

/// Model, parameters, hits among the 5,000 of the validation split and among the 1,000 test records.
let private published = [
    "GoogleNet", 260_650L, 4520, 899
    "ResNet", 272_378L, 4592, 906
    "ResNetPreAct", 272_250L, 4590, 914
    "DenseNet", 239_146L, 4536, 898
]

let private golden name =
    JsonDocument.Parse(File.ReadAllText(Shared.path [ "golden"; "trajectories"; $"{name}.json" ])).RootElement

let private losses folder =
    let lines = File.ReadAllLines(Path.Combine(folder, "metrics.csv"))
    let column = System.Array.IndexOf(lines[0].Split ',', "train_loss")

    [
        for line in Array.skip 1 lines do
            match line.Split(',')[column] with
            | "" -> ()
            | loss -> System.Double.Parse(loss, CultureInfo.InvariantCulture)
    ]

/// The run that the golden files record.
let private replay (folder: TemporaryFolder) name precision =
    let arguments = [
        "train"
        "--model"
        name
        "--data"
        Shared.cifar10 ()
        "--precision"
        precision
        "--no-shuffle"
        "--augment"
        "none"
        "--val-size"
        "0"
        "--limit-train"
        "256"
        "--batch-size"
        "32"
        "--epochs"
        "4"
        "--milestones"
        "2,3"
        "--log-every"
        "1"
        "--json"
    ]

    (Executable.succeed folder.Path arguments).Json

/// Steps over which a float64 run can be compared. GoogleNet's and DenseNet's agree to the last digits throughout.
/// The ResNets' are chaotic at a rate of 0.1: PyTorch's own run, with its first weights changed by 2e-16, leaves its
/// own path by up to 2e-4 at step 9 (torch_reference.py shows it), so that rounding alone decides from there on.
let private comparable name =
    match name with
    | "ResNet"
    | "ResNetPreAct" -> 8
    | _ -> 32

let tests =
    testList "Published networks" [
        for name, parameters, _, _ in published do
            test $"{name} has the published number of parameters" {
                use folder = new TemporaryFolder()
                let result = (Executable.succeed folder.Path [ "summary"; "--model"; name; "--json" ]).Json
                Expect.equal (result.GetProperty("num_params").GetInt64()) parameters "parameters"
                let layers = [ for layer in result.GetProperty("layers").EnumerateArray() -> layer ]
                let total = layers |> List.sumBy (fun layer -> layer.GetProperty("params").GetInt64())
                Expect.equal total parameters "and so have its layers together"
            }

        test "the published table from the published weights" {
            use folder = new TemporaryFolder()
            let checkpoints = Shared.path [ "golden"; "tutorial5" ]
            let arguments = [ "compare"; "--checkpoints"; checkpoints; "--data"; Shared.cifar10 (); "--json" ]
            let outcome = Executable.succeed folder.Path arguments
            let rows = [ for row in outcome.Json.GetProperty("models").EnumerateArray() -> row ]

            let hits (row: JsonElement) (field: string) count =
                int (round (row.GetProperty(field).GetDouble() * float count))

            Expect.equal
                [
                    for row in rows ->
                        row.GetProperty("model").GetString() |> string,
                        row.GetProperty("num_params").GetInt64(),
                        hits row "val_acc" 5000,
                        hits row "test_acc" 1000
                ]
                published
                "hits of every network on both splits"

            for name, _, _, _ in published do
                Expect.stringContains outcome.Err name "the table is for people"
        }

        test "one of them through test" {
            use folder = new TemporaryFolder()
            let checkpoint = Shared.path [ "golden"; "tutorial5"; "ResNet.ckpt" ]
            let data = [ "--data"; Shared.cifar10 (); "--split"; "test"; "--json" ]
            let result = (Executable.succeed folder.Path ([ "test"; "--checkpoint"; checkpoint ] @ data)).Json
            Expect.equal (result.GetProperty("correct").GetInt64()) 906L "correct"
            Expect.equal (result.GetProperty("count").GetInt64()) 1000L "count"
        }

        for name, _, _, _ in published do
            test $"{name} trains as in PyTorch, in float64" {
                use folder = new TemporaryFolder()
                let expected = (golden name).GetProperty "float64"
                let result = replay folder name "float64"
                let ours = losses (result.GetProperty("run_dir").GetString() |> string)

                let theirs = [
                    for loss in expected.GetProperty("step_train_loss").EnumerateArray() -> loss.GetDouble()
                ]

                Expect.equal ours.Length theirs.Length "steps"

                for step, (ours, theirs) in List.indexed (List.zip ours theirs) |> List.truncate (comparable name) do
                    Expect.floatClose { absolute = 1e-6; relative = 0.0 } ours theirs $"loss of step {step}"

                if comparable name = 32 then
                    let accuracy = { absolute = 1e-6; relative = 0.0 }
                    let loss = expected.GetProperty("test_loss").GetDouble()
                    Expect.floatClose accuracy (result.GetProperty("test_loss").GetDouble()) loss "test loss"
                    let correct = float (expected.GetProperty("test_correct").GetInt32())
                    Expect.equal (result.GetProperty("test_acc").GetDouble() * 1000.0) correct "test hits"
            }
    ]
