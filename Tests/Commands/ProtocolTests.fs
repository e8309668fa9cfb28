module Hybrid.Tests.Commands.ProtocolTests

open System
open System.IO
open Expecto
open Hybrid.Tests
open Hybrid.Tests.Data

let private tiny =
    Executable.words
        "--models ResNet --seeds 1,2 --data shapes --epochs 2 --batch-size 16 --limit-train 64 --limit-val 16 \
         --limit-test 16 --hparam num_blocks=1,1,1 --hparam c_hidden=4,8,8 --threads 1"

let private protocol (folder: TemporaryFolder) =
    let script = Checkout.path [ "bench"; "protocol.fsx" ]
    Environment.SetEnvironmentVariable("HYBRID", Path.Combine(AppContext.BaseDirectory, "hybrid.dll"))
    let outcome = Executable.tool "dotnet" ([ "fsi"; script; "--out"; folder.At "out" ] @ tiny)
    Environment.SetEnvironmentVariable("HYBRID", null)
    Expect.equal outcome.ExitCode 0 outcome.Err

    File.ReadAllLines(folder.At("out", "results.md"))
    |> Array.filter (fun line -> line.StartsWith "| ResNet")
    // Time is another each time.
    |> Array.map (fun row -> row.Substring(0, row.TrimEnd('|').LastIndexOf '|'))

let tests =
    testList "bench/protocol.fsx" [
        test "a page of results; a run that was cut off is taken up, and those that are done are left alone" {
            use folder = new TemporaryFolder()
            let rows = protocol folder
            Expect.equal rows.Length 2 "a row a seed"
            let page = File.ReadAllText(folder.At("out", "results.md"))

            for words in [ "**ResNet** | 2 seeds"; "--epochs 2"; "| libtorch |"; "| device | cpu |"; "±" ] do
                Expect.stringContains page words "what was run, and where"

            // As if it had been cut off after its last save.
            File.Delete(folder.At("out", "ResNet-1", "result.json"))
            let done' = File.GetLastWriteTimeUtc(folder.At("out", "ResNet-2", "result.json"))
            Expect.equal (protocol folder) rows "the same results"
            Expect.equal (File.GetLastWriteTimeUtc(folder.At("out", "ResNet-2", "result.json"))) done' "left alone"
            Expect.equal (Directory.GetDirectories(folder.At("out", "ResNet-1"))).Length 1 "no second run of it"
        }
    ]
