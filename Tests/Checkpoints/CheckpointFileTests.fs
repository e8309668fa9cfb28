module Hybrid.Tests.Checkpoints.CheckpointFileTests

open System.Collections.Generic
open System.IO
open System.Text.Json.Nodes
open Expecto
open Hybrid.Host.Checkpoints
open Hybrid.Host.Runtime
open Hybrid.Tests.Checkpoints.Handmade

let private stored = StoredTensor("w", DType.Float32, [| 2L |], floats [ 1f; 2f ])

let private requestError (path: string) =
    Expect.throwsT<RequestException> (fun () -> CheckpointFile.Read path |> ignore) path

let tests =
    testList "checkpoint files" [
        testCase "the format is recognised by content"
        <| fun () ->
            let formats = [
                "torch.save zip", torchZip (dictionary [ "w", vector "0" 2 ]) [ "0", floats [ 1f; 2f ] ]
                "torch.save legacy",
                torchLegacy (dictionary [ "w", tensor (legacyStorage "FloatStorage" "0" 2L) 0L [ 2L ] [ 1L ] ]) [
                    "0", 2L, floats [ 1f; 2f ]
                ]
            ]

            for format, bytes in formats do
                let result = read bytes
                Expect.equal result.Format format "format"
                Expect.equal (result.Tensors[0].ToFloat32()) [| 1f; 2f |] "values"

        testCase "safetensors carries hyperparameters as JSON"
        <| fun () ->
            withFile [||] (fun path ->
                let metadata = Dictionary<string, string>()
                metadata["hyper_parameters"] <- """{"num_blocks":[3,3]}"""
                metadata["epoch"] <- "7"
                Safetensors.Write(path, [| stored |], metadata)
                let result = CheckpointFile.Read path
                Expect.equal result.Format "safetensors" "format"
                Expect.equal (result.HyperParameters.ToJsonString()) """{"num_blocks":[3,3]}""" "hyperparameters"
                Expect.equal (result.Metadata["epoch"].GetValue<string>()) "7" "metadata"
                metadata["hyper_parameters"] <- "[]"
                Safetensors.Write(path, [| stored |], metadata)
                Expect.throwsT<WorkException> (fun () -> CheckpointFile.Read path |> ignore) "no object")

        testCase "a missing file, a folder, an empty file are the request's fault"
        <| fun () ->
            let missing = Path.Combine(Path.GetTempPath(), "hybrid-no-such-folder", "no.ckpt")
            requestError missing
            requestError (Path.GetTempPath())
            requestError ""
            withFile [||] requestError

        testCase "a text file is none of the formats"
        <| fun () -> expectRefusal "is neither" (Array.replicate 600 (byte 'a'))

        testCase "a tar is refused by name"
        <| fun () ->
            let bytes = Array.zeroCreate<byte> 1024
            "ustar"B.CopyTo(bytes, 257)
            expectRefusal "tar format" bytes
    ]
