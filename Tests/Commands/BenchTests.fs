module Hybrid.Tests.Commands.BenchTests

open System.Text.Json
open Expecto
open Hybrid.Tests.Data

let private tiny = [
    "bench"
    "--models"
    "resnet"
    "--batch-size"
    "2"
    "--repeats"
    "2"
    "--seconds"
    "0.01"
    "--json"
]

let private bench more =
    use folder = new TemporaryFolder()
    (Executable.succeed folder.Path (tiny @ more)).Json

let private spread (json: JsonElement) (name: string) =
    let spread = json.GetProperty name
    let number (name: string) = spread.GetProperty(name).GetDouble()
    Expect.isGreaterThan (number "min") 0.0 name
    Expect.isLessThanOrEqual (number "min") (number "median") name
    Expect.isLessThanOrEqual (number "median") (number "max") name

let tests =
    // Not timed: whatever the machine does meanwhile, every field has to be there.
    testList "bench" [
        for precision in [ "float32"; "bfloat16"; "float64" ] do
            test $"{precision}: every field" {
                let result = bench [ "--precision"; precision; "--threads"; "1"; "--device"; "cpu" ]
                let machine = result.GetProperty "machine"

                for fact in [ "processor"; "system"; "dotnet"; "hybrid"; "torchsharp"; "libtorch" ] do
                    Expect.isNotEmpty (machine.GetProperty(fact).GetString() |> string) fact

                Expect.equal (result.GetProperty("precision").GetString() |> string) precision "precision"
                Expect.equal (result.GetProperty("device").GetString() |> string) "cpu" "device"
                Expect.equal (result.GetProperty("batch_size").GetInt32()) 2 "batch size"
                Expect.equal (result.GetProperty("threads").GetInt32()) 1 "threads"
                Expect.equal (result.GetProperty("repeats").GetInt32()) 2 "repeats"
                Expect.isGreaterThan (result.GetProperty("peak_gmacs").GetDouble()) 0.0 "peak"
                let model = result.GetProperty("models")[0]
                Expect.equal (model.GetProperty("model").GetString() |> string) "ResNet" "model"
                Expect.equal (model.GetProperty("num_params").GetInt64()) 272_378L "parameters"
                [ "train"; "infer"; "pipeline"; "epoch_over_compute" ] |> List.iter (spread model)

                for number in [ "macs"; "peak_memory_mib"; "train_peak_fraction"; "infer_peak_fraction" ] do
                    Expect.isGreaterThanOrEqual (model.GetProperty(number).GetDouble()) 0.0 number

                Expect.equal (model.GetProperty("against").GetArrayLength()) 0 "nothing to compare with"
            }

        test "against plain modules" {
            let result = bench [ "--against"; "naive" ]
            let naive = (result.GetProperty("models")[0]).GetProperty("against")[0]
            Expect.equal (naive.GetProperty("name").GetString() |> string) "naive" "name"
            [ "train"; "infer"; "train_ratio"; "infer_ratio" ] |> List.iter (spread naive)
            Expect.isGreaterThan (naive.GetProperty("peak_memory_mib").GetDouble()) 0.0 "memory"
        }

        for word, needed in [ "pytorch", "torch"; "lightning", "torchvision" ] do
            test $"against {word}, where no Python has it" {
                use folder = new TemporaryFolder()

                let outcome =
                    Executable.startWith [ "HYBRID_PYTHON", "no-such-python" ] folder.Path [
                        "bench"
                        "--against"
                        word
                    ]
                    |> Executable.finish

                Expect.equal outcome.ExitCode 2 outcome.Err
                Expect.stringContains outcome.Err needed "what it would need"
            }

        test "what is not to be had is a wrong request" {
            use folder = new TemporaryFolder()

            for arguments, named in
                [
                    [ "bench"; "--against"; "naiv" ], "naive"
                    [ "bench"; "--models"; "ResNe" ], "ResNet"
                    [ "bench"; "--repeats"; "0" ], "--repeats"
                    [ "bench"; "--seconds"; "0" ], "--seconds"
                ] do
                let outcome = Executable.run folder.Path arguments
                Expect.equal outcome.ExitCode 2 "the request was wrong"
                Expect.stringContains outcome.Err named "says what is allowed"
        }
    ]
