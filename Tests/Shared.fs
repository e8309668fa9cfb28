namespace Hybrid.Tests

open System
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

    let private nightly = Environment.GetCommandLineArgs() |> Array.contains word

    /// Tries of a test that makes `full` of them in a nightly run.
    let tries full = if nightly then full else full / 10

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
