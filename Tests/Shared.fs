namespace Hybrid.Tests

open System
open System.Diagnostics
open System.IO
open Expecto

/// The folder of this repository, from wherever the tests are started.
[<RequireQualifiedAccess>]
module Checkout =

    let private root =
        lazy
            let rec up (folder: DirectoryInfo) =
                if isNull folder || File.Exists(Path.Combine(folder.FullName, "Hybrid.sln")) then
                    Option.ofObj folder
                else
                    up folder.Parent

            up (DirectoryInfo AppContext.BaseDirectory)

    /// A path below it; the test is reported as skipped where there is no checkout.
    let path (parts: string list) =
        match root.Value with
        | Some root -> Path.Combine(Array.ofList (root.FullName :: parts))
        | None -> skiptest "not run from a checkout"

/// How much tests by chance try: all of it under `Tests -- nightly`, a tenth in any other run.
[<RequireQualifiedAccess>]
module Effort =

    let word = "nightly"

    /// Whether everything is to be tried.
    let isNightly = Environment.GetCommandLineArgs() |> Array.contains word

    /// Tries of a test that makes `full` of them in a nightly run.
    let tries full = if isNightly then full else full / 10

/// The data for tests, which is no part of this repository: `HYBRID_SHARED`, or `shared` beside the checkout.
[<RequireQualifiedAccess>]
module Shared =

    /// A path below it; the test is reported as skipped where it is not there.
    let path (parts: string list) =
        let root =
            match Environment.GetEnvironmentVariable "HYBRID_SHARED" with
            | null
            | "" -> Checkout.path [ ".."; "shared" ]
            | named -> named

        let path = Path.GetFullPath(Path.Combine(Array.ofList (root :: parts)))

        if not (Path.Exists path) then
            skiptest $"'{path}' is absent (HYBRID_SHARED names the folder above)"

        path

    /// The official files, as `--data` names them.
    let cifar10 () = "cifar10:" + path [ "data"; "cifar-10-batches-bin" ]

/// PyTorch itself, where the machine has it.
[<RequireQualifiedAccess>]
module PyTorch =

    /// Runs a program to its end.
    let private output (program: string) (arguments: string list) (input: string) =
        try
            let start =
                ProcessStartInfo(
                    program,
                    arguments,
                    RedirectStandardInput = true,
                    RedirectStandardOutput = true,
                    RedirectStandardError = true
                )

            use work = Process.Start start
            let errors = work.StandardError.ReadToEndAsync()
            work.StandardInput.Write input
            work.StandardInput.Close()
            let text = work.StandardOutput.ReadToEnd()
            work.WaitForExit()
            if work.ExitCode = 0 then Ok text else Error errors.Result
        with error ->
            Error error.Message

    /// The first Python on the path that has PyTorch.
    let private python =
        lazy
            (let folders = (string (Environment.GetEnvironmentVariable "PATH")).Split Path.PathSeparator

             folders
             |> Seq.map (fun folder -> Path.Combine(folder, "python3"))
             |> Seq.filter File.Exists
             |> Seq.tryFind (fun program -> (output program [ "-c"; "import torch" ] "").IsOk))

    /// What a script of this repository prints; `None` where there is no PyTorch.
    let run (script: string list) (input: string) : string option =
        python.Value
        |> Option.map (fun program ->
            match output program [ Checkout.path script ] input with
            | Ok text -> text
            | Error problem -> failtest problem)
