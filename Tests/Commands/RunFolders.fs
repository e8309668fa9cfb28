/// Runs that end within a second, and their states as JSON, to be changed by hand.
module Hybrid.Tests.Commands.RunFolders

open System.Collections.Generic
open System.Text.Json.Nodes
open Hybrid.Host.Checkpoints
open Hybrid.Tests.Data

/// A network of a few hundred weights on a few of the drawn images.
let tiny =
    Executable.words
        "train --limit-train 64 --limit-val 16 --limit-test 16 --batch-size 16 --hparam num_blocks=1,1,1 --hparam c_hidden=2,2,2 \
         --threads 1"

/// The state of a run in `runs/version_0` that has come to its end after two epochs.
let finished (folder: TemporaryFolder) =
    Executable.succeed folder.Path (tiny @ Executable.words "--log-every 1 --save-every 1 --epochs 2 --out runs")
    |> ignore

    folder.At("runs", "version_0", "checkpoints", "last.safetensors")

/// Writes a state once more, changed.
let edit (path: string) (change: JsonObject -> unit) =
    let file = Safetensors.Read path
    let metadata = Dictionary<string, string>(Seq.toArray file.Metadata)
    let state = JsonNode.Parse(metadata["run_state"]).AsObject()
    change state
    metadata["run_state"] <- state.ToJsonString()
    Safetensors.Write(path, file.Tensors, metadata)
