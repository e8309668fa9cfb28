module Hybrid.Tests.Checkpoints.CheckpointFileTests

open Hybrid
open System
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

        testCase "a pipe and a device are refused at once, also behind a link"
        <| fun () ->
            if not (OperatingSystem.IsWindows()) then
                let folder = Directory.CreateTempSubdirectory "hybrid-"
                let at name = Path.Combine(folder.FullName, name)

                try
                    use mkfifo = System.Diagnostics.Process.Start("mkfifo", at "pipe")
                    mkfifo.WaitForExit()
                    File.CreateSymbolicLink(at "link", at "pipe") |> ignore

                    for path in [ at "pipe"; at "link"; "/dev/zero"; "/dev/null" ] do
                        requestError path
                finally
                    folder.Delete true

        testCase "two gigabytes that are not on the disk are not read"
        <| fun () ->
            let header = "{\"w\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}"B
            let ending = zipOf [ entry "archive/data.pkl" "N."B ]
            let directory = Array.length ending - 22 - 46 - "archive/data.pkl".Length

            // The zip's directory behind the hole, where it says that it is.
            let far = Array.skip directory ending
            BitConverter.GetBytes(2_000_000_000u).CopyTo(far, far.Length - 6)

            let sparse = [
                Array.zeroCreate 8, [||]
                Array.append (BitConverter.GetBytes header.LongLength) header, [||]
                "PK\003\004"B, [||]
                Array.take directory ending, far
                pickle [ Op.none ], [||]
            ]

            for front, back in sparse do
                withFile front (fun path ->
                    do
                        use file = File.OpenWrite path
                        file.SetLength 2_000_000_000L
                        file.Position <- file.Length
                        file.Write back

                    let before = GC.GetAllocatedBytesForCurrentThread()
                    Expect.throwsT<WorkException> (fun () -> CheckpointFile.Read path |> ignore) "refused"
                    Expect.isLessThan (GC.GetAllocatedBytesForCurrentThread() - before) 1_000_000L "bytes")

        testCase "a header of more than 16 MB"
        <| fun () ->
            let header = Array.create 17_000_000 (byte ' ')
            header[0] <- byte '{'
            expectRefusal "at most" (Array.append (BitConverter.GetBytes header.LongLength) header)

        testCase "a text file is none of the formats"
        <| fun () -> expectRefusal "is neither" (Array.replicate 600 (byte 'a'))

        testCase "a tar is refused by name"
        <| fun () ->
            let bytes = Array.zeroCreate<byte> 1024
            "ustar"B.CopyTo(bytes, 257)
            expectRefusal "tar format" bytes
    ]
