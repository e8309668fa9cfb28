namespace Hybrid.Tests.Commands

open Hybrid.Tests.Data

[<RequireQualifiedAccess>]
module Trained =

    /// The checkpoint of a moment's training on the drawn images.
    let briefly (folder: TemporaryFolder) =
        let result =
            Executable.succeed folder.Path [
                yield! [ "train"; "--json"; "--max-steps"; "2"; "--batch-size"; "16"; "--out"; "runs" ]
                yield! [ "--limit-train"; "32"; "--limit-val"; "8"; "--limit-test"; "8" ]
                yield! [ "--hparam"; "num_blocks=1,1,1"; "--hparam"; "c_hidden=4,8,8" ]
            ]

        result.Json.GetProperty("best_checkpoint").GetString() |> string
