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

    /// A command line as it is typed; nothing in it is quoted.
    let words (line: string) = line.Split([| ' ' |], StringSplitOptions.RemoveEmptyEntries) |> List.ofArray

    let private launch (variables: (string * string) list) (program: string) (folder: string) (arguments: string list) =
        let info =
            ProcessStartInfo(
                program,
                arguments,
                WorkingDirectory = folder,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
                RedirectStandardInput = true
            )

        for name, value in variables do
            info.Environment[name] <- value

        let work =
            Process.Start info
            |> Option.ofObj
            |> Option.defaultWith (fun () -> failtest $"{program} did not start")

        work.StandardInput.Close()
        work

    let private startAs variables executable folder arguments =
        launch variables "dotnet" folder (executable :: arguments)

    /// Starts with some variables set in its environment.
    let startWith variables (folder: string) (arguments: string list) =
        startAs variables (Path.Combine(AppContext.BaseDirectory, "hybrid.dll")) folder arguments

    let start folder arguments = startWith [] folder arguments

    /// Starts by way of another program, which is given its own words before the command line.
    let startBy program (words: string list) folder (arguments: string list) =
        launch [] program folder (words @ Path.Combine(AppContext.BaseDirectory, "hybrid.dll") :: arguments)

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

    /// Runs to the end as a user whom permissions hold back, whoever runs the tests.
    let runWithoutRights folder arguments =
        let nobody = [ "--reuid=65534"; "--regid=65534"; "--clear-groups"; "--" ]
        let program = Path.Combine(AppContext.BaseDirectory, "hybrid.dll")

        if not (OperatingSystem.IsLinux()) then
            skiptest "permissions are tested on Linux"
        elif Environment.UserName <> "root" then
            run folder arguments
        elif not (File.Exists "/usr/bin/setpriv") then
            skiptest "permissions do not hold root back, and setpriv is not there"
        else
            let reach = launch [] "setpriv" "/" (nobody @ [ "test"; "-r"; program ]) |> finish

            if reach.ExitCode <> 0 then
                skiptest $"nobody but root may read {program}"

            startBy "setpriv" (nobody @ [ "env"; "HOME=/nonexistent"; "dotnet" ]) folder arguments |> finish

    /// The same, of a copy of the executable.
    let runAs (executable: string) folder arguments = startAs [] executable folder arguments |> finish

    /// Another program, run to its end.
    let tool program arguments = launch [] program AppContext.BaseDirectory arguments |> finish

    /// Runs to the end and expects success; what the process said otherwise is the failure's message.
    let succeed folder arguments =
        let outcome = run folder arguments
        let command = String.concat " " arguments
        Expect.equal outcome.ExitCode 0 $"hybrid {command}\n{outcome.Out}\n{outcome.Err}"
        outcome
