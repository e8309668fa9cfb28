module Hybrid.Tests.Commands.LibtorchTests

open System
open System.IO
open Expecto
open Hybrid.Host.Runtime
open Hybrid.Tests.Data

let private native = LibtorchFolder.FileOf

/// The files beside the program: those of libtorch, or all others.
let private beside ofLibtorch =
    Directory.GetFiles AppContext.BaseDirectory
    |> Array.filter (fun file ->
        let name = Path.GetFileName file

        ofLibtorch =
            ([ native "c10"; native "torch"; native "torch_cpu" ] |> List.contains name
             || name.Contains "gomp"
             || name.Contains "omp.dylib"))

/// Real copies: the loader sees through links, and would take one file under two names for one library.
let private copyTo folder (files: string array) =
    Directory.CreateDirectory folder |> ignore

    for file in files do
        File.Copy(file, Path.Combine(folder, Path.GetFileName file))

let private facts (outcome: Outcome) =
    dict [
        for fact in outcome.Json.GetProperty("facts").EnumerateArray() ->
            fact.GetProperty("name").GetString() |> string, fact.GetProperty("found").GetString() |> string
    ]

/// A folder that looks like a libtorch, with its version in a file as PyTorch or a libtorch download has it.
let private pretend (folder: TemporaryFolder) file (text: string) =
    Directory.CreateDirectory(folder.At("torch", "lib")) |> ignore
    File.WriteAllText(folder.At("torch", "lib", native "torch_cpu"), "no library")
    File.WriteAllText(folder.At("torch", "lib", native "c10"), "no library")
    File.WriteAllText(folder.At("torch", file), text)

let private tiny =
    Executable.words
        "train --epochs 2 --batch-size 16 --limit-train 64 --limit-val 16 --limit-test 16 --hparam num_blocks=1,1,1 \
         --hparam c_hidden=4,8,8 --json --out"

let private refused arguments code words =
    use folder = new TemporaryFolder()
    pretend folder "version.py" "__version__ = '1.13.1+cu117'\ncuda = '11.7'\n"
    Directory.CreateDirectory(folder.At "empty") |> ignore
    let outcome = Executable.run folder.Path arguments
    Expect.equal outcome.ExitCode code outcome.Err

    for word in words do
        Expect.stringContains outcome.Err word "what was wrong, and what is allowed"

    Expect.isFalse (Directory.Exists(folder.At "runs")) "nothing half-written stays behind"

let tests =
    testList "--libtorch" [
        test "a libtorch in another folder is the one that is used, in training and when a run is taken up again" {
            use folder = new TemporaryFolder()
            copyTo (folder.At("other", "lib")) (beside true)
            let lib = Path.Combine("other", "lib")

            let doctor = Executable.succeed folder.Path [ "doctor"; "--json"; "--libtorch"; "other" ]
            Expect.stringContains (facts doctor).["libtorch"] (folder.At(lib, native "torch_cpu")) "from there"

            let accuracy (outcome: Outcome) = outcome.Json.GetProperty("test_loss").GetDouble()
            let own = Executable.succeed folder.Path (tiny @ [ "own" ])
            let other = Executable.succeed folder.Path (tiny @ [ "others"; "--libtorch"; lib ])
            Expect.equal (accuracy other) (accuracy own) "the same library in another place gives the same numbers"
            let resumed = Executable.succeed folder.Path [ "train"; "--resume"; "others"; "--json" ]
            Expect.equal (accuracy resumed) (accuracy own) "taken up again"

            // Built with -p:Libtorch=none there is nothing beside the program.
            copyTo (folder.At "bare") (beside false)
            let bare = folder.At("bare", "hybrid.dll")

            let without = Executable.runAs bare folder.Path [ "train"; "--max-steps"; "1" ]
            Expect.equal without.ExitCode 2 without.Err
            Expect.stringContains without.Err "--libtorch DIR" "says what to do"

            let named = Executable.runAs bare folder.Path [ "doctor"; "--json"; "--libtorch"; lib ]
            Expect.equal named.ExitCode 0 named.Err
            Expect.stringContains (facts named).["libtorch"] (folder.At(lib, native "torch_cpu")) "from there"

            let trained =
                (Directory.GetFiles(folder.At "own", "last.safetensors", SearchOption.AllDirectories))
                |> Array.exactlyOne

            let export target more =
                Executable.runAs bare folder.Path ([ "export"; "--checkpoint"; trained; "--to"; target ] @ more)

            let unnamed = export "x.onnx" []
            Expect.equal unnamed.ExitCode 2 unnamed.Err
            Expect.stringContains unnamed.Err "--libtorch DIR" "says what to do"

            // What computes nothing takes it as well, so that it may stand in every command.
            for target in [ "x.onnx"; "x.pt"; "x.py" ] do
                let exported = export target [ "--libtorch"; lib ]
                Expect.equal exported.ExitCode 0 exported.Err
                Expect.isTrue (File.Exists(folder.At target)) target

            Expect.equal (export "y.pt" []).ExitCode 0 "where nothing is computed there need be none"

            let cuda = Executable.run folder.Path [ "train"; "--libtorch"; lib; "--device"; "cuda" ]
            Expect.equal cuda.ExitCode 2 cuda.Err
            Expect.stringContains cuda.Err "built for the CPU alone" "why"
            Expect.stringContains cuda.Err (folder.At lib) "which"
        }

        for name, arguments, code, words in
            [
                "no such folder", [ "train"; "--libtorch"; "gone" ], 2, [ "gone"; "no such folder" ]
                "no libtorch in it", [ "train"; "--libtorch"; "empty" ], 2, [ "empty"; native "torch_cpu"; "torch/lib" ]
                "another version", [ "train"; "--libtorch"; "torch/lib" ], 2, [ "1.13.1+cu117"; "2.10"; "PyTorch" ]
                "another version, above its lib folder",
                [ "bench"; "--worker"; "naive"; "--libtorch"; "torch" ],
                2,
                [ "1.13.1"; "2.10" ]
            ] do
            test name { refused arguments code words }

        test "a library that does not load" {
            use folder = new TemporaryFolder()
            pretend folder "build-version" (LibtorchVersion.Wanted.Number.ToString() + "+cpu\n")
            let outcome = Executable.run folder.Path [ "train"; "--libtorch"; "torch" ]
            Expect.equal outcome.ExitCode 1 outcome.Err
            Expect.stringContains outcome.Err (native "c10") "which"
            Expect.isLessThan (outcome.Err.Split('\n').Length) 4 "no stack trace"
        }

        test "doctor says it as a fact" {
            use folder = new TemporaryFolder()
            pretend folder "version.py" "__version__ = '2.9.1+cu126'\n"
            let outcome = Executable.run folder.Path [ "doctor"; "--json"; "--libtorch"; "torch/lib" ]
            Expect.equal outcome.ExitCode 1 outcome.Err
            Expect.stringContains (facts outcome).["libtorch"] "2.9.1+cu126" "what is there"
        }

        test "-p:Libtorch=cuda asks for TorchSharp's CUDA package at TorchSharp's version" {
            let project = Hybrid.Tests.Checkout.path [ "Host.CSharp"; "Host.CSharp.csproj" ]

            let asked libtorch =
                let outcome =
                    Executable.tool "dotnet" [
                        "msbuild"
                        project
                        $"-p:Libtorch={libtorch}"
                        "-getItem:PackageReference"
                        "-getItem:PackageVersion"
                    ]

                Expect.equal outcome.ExitCode 0 outcome.Err
                let items = System.Text.Json.JsonDocument.Parse(outcome.Out).RootElement.GetProperty "Items"

                fun (kind: string) -> [
                    for item in items.GetProperty(kind).EnumerateArray() do
                        let text (field: string) =
                            match item.TryGetProperty field with
                            | true, value -> string (value.GetString())
                            | _ -> ""

                        text "Identity", text "Version"
                ]

            let natives (asked: string -> (string * string) list) =
                asked "PackageReference"
                |> List.map fst
                |> List.filter (fun name -> name.StartsWith "libtorch-" || name.StartsWith "TorchSharp-")

            let package =
                if OperatingSystem.IsWindows() then
                    "TorchSharp-cuda-windows"
                else
                    "TorchSharp-cuda-linux"

            if OperatingSystem.IsMacOS() then
                skiptest "there is no CUDA on a Mac"

            let cuda = asked "cuda"
            Expect.equal (natives cuda) [ package ] "the package that brings a CUDA libtorch"

            let torchSharp = typeof<TorchSharp.torch.Tensor>.Assembly.GetName().Version |> string

            let version =
                cuda "PackageVersion" |> List.pick (fun (name, v) -> if name = package then Some v else None)

            Expect.stringContains torchSharp (version.Trim('[', ']')) "exactly TorchSharp's version"
            Expect.stringStarts version "[" "no other"
            Expect.isEmpty (natives (asked "none")) "none"
        }
    ]
