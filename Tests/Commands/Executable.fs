namespace Hybrid.Tests.Commands

open System
open System.Diagnostics
open System.IO
open System.Text.Json
open System.Threading.Tasks
open Expecto

/// What a process left behind.
type Outcome = {
    ExitCode: int
    Out: string
    Err: string
} with

    /// The last line of stdout as JSON.
    member outcome.Json =
        let last = outcome.Out.TrimEnd().Split '\n' |> Array.last
        JsonDocument.Parse(last).RootElement

/// The real executable, started as a user starts it.
[<RequireQualifiedAccess>]
module Executable =

    /// More than any test takes, on a machine that does other things as well.
    let private patience = TimeSpan.FromMinutes 15.0

    let start (folder: string) (arguments: string list) =
        let executable = Path.Combine(AppContext.BaseDirectory, "hybrid.dll")

        let info =
            ProcessStartInfo(
                "dotnet",
                executable :: arguments,
                WorkingDirectory = folder,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
                RedirectStandardInput = true
            )

        let work =
            Process.Start info |> Option.ofObj |> Option.defaultWith (fun () -> failtest "dotnet did not start")

        work.StandardInput.Close()
        work

    let finish (work: Process) =
        use work = work
        let out = work.StandardOutput.ReadToEndAsync()
        let err = work.StandardError.ReadToEndAsync()

        if not (work.WaitForExit patience) then
            work.Kill true
            failtest "the process did not end"

        Task.WaitAll(out, err)

        { ExitCode = work.ExitCode; Out = out.Result; Err = err.Result }

    /// Runs to the end in `folder`.
    let run folder arguments = start folder arguments |> finish

    /// Runs to the end and expects success; what the process said otherwise is the failure's message.
    let succeed folder arguments =
        let outcome = run folder arguments
        let command = String.concat " " arguments
        Expect.equal outcome.ExitCode 0 $"hybrid {command}\n{outcome.Out}\n{outcome.Err}"
        outcome

/// The data of `../shared`, wherever the tests are started from.
[<RequireQualifiedAccess>]
module Shared =

    let private root =
        lazy
            match Environment.GetEnvironmentVariable "HYBRID_SHARED" with
            | null
            | "" ->
                let rec up (folder: DirectoryInfo) =
                    match folder with
                    | null -> None
                    | folder when File.Exists(Path.Combine(folder.FullName, "Hybrid.sln")) ->
                        Some(Path.Combine(folder.FullName, "..", "shared"))
                    | folder -> up folder.Parent

                up (DirectoryInfo AppContext.BaseDirectory) |> Option.defaultValue "../shared"
            | named -> named

    /// A path below the shared folder; the test is reported as skipped where it is not there.
    let path (parts: string list) =
        let path = Path.GetFullPath(Path.Combine(Array.ofList (root.Value :: parts)))

        if not (Path.Exists path) then
            skiptest $"'{path}' is absent (HYBRID_SHARED names the folder above)"

        path

    let cifar10 () = "cifar10:" + path [ "data"; "cifar-10-batches-bin" ]
