/// Thousands of damaged archives: each is read or refused, quickly, within the memory that its size allows.
module Hybrid.Tests.Checkpoints.ArchiveFuzzTests

open Hybrid
open System
open System.Diagnostics
open System.IO
open Expecto
open Hybrid.Host.Checkpoints
open Hybrid.Host.Runtime
open Hybrid.Tests
open Hybrid.Tests.Checkpoints.Handmade

/// Memory beyond a multiple of the file that a reader may take: tables, messages, small buffers.
let private slack = 4_000_000L

let private attempt (label: string) (bytes: byte[]) =
    withFile bytes (fun path ->
        let before = GC.GetAllocatedBytesForCurrentThread()
        let clock = Stopwatch.StartNew()

        try
            CheckpointFile.Read path |> ignore
        with
        | :? WorkException as e -> Expect.isFalse (Seq.exists Char.IsControl e.Message) $"{label}: one line"
        | :? RequestException when bytes.Length = 0 -> ()
        | e -> failtest $"{label}: {e}"

        let allocated = GC.GetAllocatedBytesForCurrentThread() - before
        Expect.isLessThan allocated (40L * bytes.LongLength + slack) $"{label}: memory"
        Expect.isLessThan clock.Elapsed (TimeSpan.FromSeconds 10.0) $"{label}: time")

/// One to eight changes within the first `reach` bytes: other values, bytes that mean something to the formats,
/// parts taken out, doubled, or cut off.
let private damage (random: Random) reach (bytes: byte[]) =
    let telling =
        Array.append "(.012FIJKLMNPQRSTUVXabc}eghijl]opqrst)uGBC"B [| 0uy; 255uy; yield! [| 0x80uy .. 0x98uy |] |]

    let mutable result = Array.copy bytes

    for _ in 0 .. random.Next 8 do
        if result.Length > 0 then
            let at = random.Next(min reach result.Length)
            let length = min (random.Next 40) (result.Length - at)

            match random.Next 8 with
            | 0 -> result <- result[.. at - 1]
            | 1 -> result <- Array.removeManyAt at length result
            | 2 -> result <- Array.insertManyAt at result[at .. at + length - 1] result
            | 3
            | 4 -> result[at] <- telling[random.Next telling.Length]
            | 5 -> result[at] <- result[at] ^^^ (1uy <<< random.Next 8)
            | _ -> result[at] <- byte (random.Next 256)

    result

let private small =
    dictionary [
        "epoch", Op.int 3L
        "state_dict", dictionary [ for i in 0..5 -> $"model.{i}", vector (string i) i ]
        "hyper_parameters", dictionary [ "sizes", listOf [ Op.int 1L; Op.float 0.5 ]; "class", Op.named "a" "b" ]
    ]

let private storages = [ for i in 0..5 -> string i, floats (List.replicate i 1f) ]

let private legacy =
    let tensors = [ for i in 0L .. 5L -> $"{i}", tensor (legacyStorage "FloatStorage" $"{i}" i) 0L [ i ] [ 1L ] ]
    torchLegacy (dictionary tensors) [ for i in 0..5 -> string i, int64 i, floats (List.replicate i 1f) ]

let private safetensors =
    lazy
        (withFile [||] (fun path ->
            let tensors = [|
                for i in 0..5 do
                    let bytes = Array.zeroCreate<byte>(4 * i)
                    StoredTensor(string i, DType.Float32, [| int64 i |], ReadOnlyMemory bytes)
            |]

            Safetensors.Write(path, tensors, Map [ "hyper_parameters", "{}" ])
            File.ReadAllBytes path))

let private fuzz name full (make: Random -> byte[]) =
    testCase name (fun () ->
        for seed in 1 .. Effort.tries full do
            attempt $"{name}, seed {seed}" (make (Random seed)))

let tests =
    testList "damaged archives" [
        // Damaged before it is packed, so that the checksum holds and the pickle reader sees it.
        fuzz "pickle in a zip" 100_000 (fun random ->
            let data = pickle [ small ]
            zipOf (torchEntries (damage random data.Length data) storages))

        fuzz "zip" 100_000 (fun random ->
            let whole = torchZip small storages
            damage random whole.Length whole)

        fuzz "zip directory" 100_000 (fun random ->
            let whole = torchZip small storages
            Array.rev (damage random 700 (Array.rev whole)))

        fuzz "legacy" 100_000 (fun random -> damage random legacy.Length legacy)

        fuzz "safetensors" 100_000 (fun random -> damage random safetensors.Value.Length safetensors.Value)

        testCase "a zip truncated anywhere"
        <| fun () ->
            let whole = torchZip small storages

            for length in 1 .. whole.Length - 1 do
                withFile whole[.. length - 1] (fun path ->
                    Expect.throwsT<WorkException> (fun () -> CheckpointFile.Read path |> ignore) $"{length} bytes")

        for file, reach in [ "tutorial5/ResNet.ckpt", 20_420; "trajectories/ResNet.init.pt", 15_300 ] do
            testCase $"{file}, damaged"
            <| fun () ->
                let whole = File.ReadAllBytes(shared $"golden/{file}")

                for seed in 1 .. Effort.tries 4000 do
                    attempt $"{file}, seed {seed}" (damage (Random seed) reach whole)
    ]
