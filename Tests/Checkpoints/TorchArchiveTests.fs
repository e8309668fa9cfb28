/// Zip and legacy containers, storages and strides of torch.save's archives.
module Hybrid.Tests.Checkpoints.TorchArchiveTests

open System
open Expecto
open Hybrid.Host.Runtime
open Hybrid.Tests.Checkpoints.Handmade

let private refuses name reason (bytes: byte[]) = testCase name (fun () -> expectRefusal reason bytes)

let private good = dictionary [ "w", vector "0" 2 ]
let private goodEntries = torchEntries (pickle [ good ]) [ "0", floats [ 1f; 2f ] ]

/// The good archive with its n-th entry changed: 0 the pickle, 1 the storage, 2 the version.
let private with' index change = goodEntries |> List.mapi (fun i e -> if i = index then change e else e) |> zipOf

let private zip =
    testList "zip" [
        testCase "the unchanged archive is read"
        <| fun () -> Expect.equal ((read (zipOf goodEntries)).Tensors[0].ToFloat32()) [| 1f; 2f |] "values"

        refuses
            "two entries of one name"
            "two entries 'archive/data/0'"
            (zipOf (goodEntries @ [ entry "archive/data/0" (floats [ 3f; 4f ]) ]))
        refuses "a wrong checksum" "checksum" (with' 1 (fun e -> { e with Crc = Some 1u }))
        refuses "a compressed entry" "compressed" (with' 1 (fun e -> { e with Method = 8 }))
        refuses "an encrypted entry" "encrypted" (with' 1 (fun e -> { e with Flags = 1 }))
        refuses "overlapping entries" "overlaps" (with' 1 (fun e -> { e with At = Some 0L; Name = "archive/data/0" }))
        refuses "an entry beyond the file" "beyond" (with' 1 (fun e -> { e with At = Some 0xFFFFFF00L }))
        refuses "a size beyond the file" "beyond" (with' 2 (fun e -> { e with Size = Some 1000000L }))
        refuses "a size of 4 GiB" "sizes that cannot be" (with' 2 (fun e -> { e with Size = Some 0xFFFFFFFFL }))
        refuses
            "two names for an entry"
            "not what the directory says"
            (with' 1 (fun e -> { e with LocalName = Some "archive/data/1" }))
        refuses "bytes behind the directory" "followed by other bytes" (Array.append (zipOf goodEntries) "x"B)
        refuses "no version" "version" (zipOf (List.take 2 goodEntries))
        refuses "no pickle" "0 data.pkl" (zipOf (List.skip 1 goodEntries))
        refuses "two pickles" "2 data.pkl" (zipOf (entry "b/data.pkl" "N."B :: goodEntries))
        refuses "big-endian" "big-endian" (zipOf (entry "archive/byteorder" "big"B :: goodEntries))
        refuses "a program" "TorchScript" (zipOf (entry "archive/constants.pkl" "N."B :: goodEntries))
        refuses "a storage that is not there" "no entry 'archive/data/0'" (torchZip good [])
        refuses "a record shorter than its storage" "4 bytes where" (torchZip good [ "0", floats [ 1f ] ])
        refuses "a record longer than its storage" "12 bytes where" (torchZip good [ "0", floats [ 1f; 2f; 3f ] ])
        refuses "no entries" "0 data.pkl" (Array.append (zipOf [ entry "x" [||] ]) [||])
    ]

/// One float32 tensor over a storage of six elements, 0 to 5.
let private six offset sizes strides =
    let w = tensor (storage "FloatStorage" "0" 6L) offset sizes strides
    torchZip (dictionary [ "w", w ]) [ "0", floats [ 0f; 1f; 2f; 3f; 4f; 5f ] ]

let private reads name offset sizes strides (expected: float32 list) =
    testCase name (fun () ->
        let result = (read (six offset sizes strides)).Tensors[0]
        Expect.equal (List.ofArray result.Shape) sizes "shape"
        Expect.equal (List.ofArray (result.ToFloat32())) expected "values")

let private strides =
    testList "strides" [
        reads "contiguous" 0L [ 2L; 3L ] [ 3L; 1L ] [ 0f; 1f; 2f; 3f; 4f; 5f ]
        reads "with an offset" 2L [ 2L; 2L ] [ 2L; 1L ] [ 2f; 3f; 4f; 5f ]
        reads "transposed" 0L [ 3L; 2L ] [ 1L; 3L ] [ 0f; 3f; 1f; 4f; 2f; 5f ]
        reads "every other" 1L [ 3L ] [ 2L ] [ 1f; 3f; 5f ]
        reads "expanded" 1L [ 2L; 2L ] [ 0L; 1L ] [ 1f; 2f; 1f; 2f ]
        reads "a scalar" 5L [] [] [ 5f ]
        reads "sizes of 1 with odd strides" 0L [ 1L; 6L; 1L ] [ 77L; 1L; 99L ] [ 0f; 1f; 2f; 3f; 4f; 5f ]
        reads "empty" 6L [ 0L; 3L ] [ 3L; 1L ] []

        refuses "beyond the storage" "beyond its storage" (six 1L [ 2L; 3L ] [ 3L; 1L ])
        refuses "an offset beyond" "beyond its storage" (six 6L [] [])
        refuses "an offset of 2^62" "beyond its storage" (six (1L <<< 62) [ 1L ] [ 1L ])
        refuses "a stride of 2^62" "beyond its storage" (six 0L [ 5L ] [ 1L <<< 62 ])
        refuses "a size of 2^60" "beyond its storage" (six 0L [ 1L <<< 60 ] [ 1L ])
        refuses "sizes beyond 2^63" "impossible" (six 0L [ 1L <<< 40; 1L <<< 40 ] [ 0L; 0L ])
        refuses "a negative size" "natural number" (six 0L [ -1L ] [ 1L ])
        refuses "a negative stride" "natural number" (six 5L [ 6L ] [ -1L ])
        refuses "a negative offset" "natural number" (six -1L [ 1L ] [ 1L ])
        refuses "fewer strides than sizes" "sizes and" (six 0L [ 1L; 1L ] [ 1L ])
        refuses "too many dimensions" "sizes and" (six 0L (List.replicate 65 1L) (List.replicate 65 1L))
        refuses "an expanded tensor of 2^40 elements" "more than the file holds" (six 0L [ 1L <<< 40 ] [ 0L ])
        refuses "an expanded tensor of a few kilobytes more" "more than the file holds" (six 0L [ 1000L ] [ 0L ])
        refuses
            "a storage larger than the file"
            "more than the file holds"
            (torchZip (dictionary [ "w", tensor (storage "FloatStorage" "0" (1L <<< 60)) 0L [ 1L ] [ 1L ] ]) [])
        refuses
            "a negative storage"
            "natural number"
            (torchZip (dictionary [ "w", tensor (storage "FloatStorage" "0" -1L) 0L [ 1L ] [ 1L ] ]) [])
        refuses
            "an unknown type"
            "'torch.StrangeStorage'"
            (torchZip (dictionary [ "w", tensor (storage "StrangeStorage" "0" 1L) 0L [ 1L ] [ 1L ] ]) [])
        refuses
            "one storage of two types"
            "two ways"
            (torchZip (dictionary [ "v", vector "0" 1; "w", tensor (storage "IntStorage" "0" 1L) 0L [ 1L ] [ 1L ] ]) [
                "0", floats [ 1f ]
            ])

        testCase "many tensors over one storage"
        <| fun () ->
            let many count =
                torchZip (dictionary [ for i in 1..count -> $"w{i}", vector "0" 50_000 ]) [
                    "0", Array.zeroCreate 200_000
                ]

            Expect.equal (read (many 10)).Tensors.Count 10 "shared"
            expectRefusal "more than the file holds" (many 40)
    ]

let private state =
    let w = vector "0" 1
    let data = [ "0", floats [ 7f ] ]
    let names root = [ for t in (read (torchZip (dictionary root) data)).Tensors -> t.Name ]

    testList "state dicts" [
        testCase "bare"
        <| fun () -> Expect.equal (names [ "model.w", w; "b", w ]) [ "model.w"; "b" ] "as they are"

        testCase "Lightning's prefix is taken off"
        <| fun () ->
            Expect.equal (names [ "state_dict", dictionary [ "model.a", w; "model.b.c", w ] ]) [ "a"; "b.c" ] "names"

        testCase "anywhere in the file"
        <| fun () ->
            for root in
                [
                    [ "net", dictionary [ "a", w ] ]
                    [ "epoch", Op.int 1L; "trainer", dictionary [ "weights", dictionary [ "a", w ] ] ]
                    [
                        "optimizer", dictionary [ "state", dictionaryOf [ Op.int 0L, dictionary [ "m", w ] ] ]
                        "ema", dictionary [ "b", w ]
                        "params", dictionary [ "a", w ]
                    ]
                ] do
                Expect.equal (names root) [ "a" ] "names"

        testCase "a prefix that not all have stays"
        <| fun () ->
            let root = [ "state_dict", dictionary [ "model.a", w; "loss.b", w ] ]
            Expect.equal (names root) [ "model.a"; "loss.b" ] "names"

        testCase "under other common names"
        <| fun () ->
            for key in [ "model"; "model_state_dict" ] do
                Expect.equal (names [ "epoch", Op.int 1L; key, dictionary [ "a", w ] ]) [ "a" ] key

        testCase "parameters are tensors"
        <| fun () ->
            let hooks = call "collections" "OrderedDict" []
            Expect.equal (names [ "p", call "torch._utils" "_rebuild_parameter" [ w; Op.yes; hooks ] ]) [ "p" ] "name"

        testCase "what stands beside the weights"
        <| fun () ->
            let root = [
                "epoch", Op.int 3L
                "state_dict", dictionary [ "a", w ]
                "pytorch-lightning_version", Op.text "1.0.2"
            ]

            let result = read (torchZip (dictionary root) data)

            Expect.equal
                (result.Metadata.ToJsonString())
                """{"epoch":3,"pytorch-lightning_version":"1.0.2"}"""
                "metadata"

            Expect.isNull result.HyperParameters "none"

        testCase "what is no tensor, or has no name, stays out"
        <| fun () ->
            let state = dictionaryOf [ Op.text "a", w; Op.text "x", Op.emptyList; Op.int 1L, w ]
            Expect.equal (names [ "state_dict", state ]) [ "a" ] "names"

        refuses
            "no tensor at all"
            "holds no state dict"
            (torchZip (dictionary [ "state_dict", dictionary [ "x", Op.emptyList ] ]) [])
        refuses
            "a tensor without a name"
            "holds no state dict"
            (torchZip (dictionary [ "state_dict", dictionaryOf [ Op.int 1L, w ] ]) data)
        refuses "a list of tensors" "list of 1 values without names" (torchZip (listOf [ w ]) data)
        refuses
            "a whole model"
            "whole model or another object, of the class 'golden.Net'"
            (torchZip (call "golden" "Net" []) [])
    ]

let private legacyTensor = tensor (legacyStorage "FloatStorage" "k" 2L) 0L [ 2L ] [ 1L ]
let private legacyRoot = dictionary [ "w", legacyTensor ]
let private block = "k", 2L, floats [ 1f; 2f ]

let private legacy =
    let whole = torchLegacy legacyRoot [ block ]

    testList "legacy" [
        testCase "a view into a storage"
        <| fun () ->
            let view = tupleOf [ Op.text "v"; Op.int 1L; Op.int 1L ]
            let kind = Op.named "torch" "FloatStorage"
            let id = tupleOf [ Op.text "storage"; kind; Op.text "k"; Op.text "cpu"; Op.int 2L; view ]
            let w = tensor (Array.append id Op.persistent) 0L [ 1L ] [ 1L ]

            Expect.equal
                ((read (torchLegacy (dictionary [ "w", w ]) [ block ])).Tensors[0].ToFloat32())
                [| 2f |]
                "value"

            let w = tensor (Array.append id Op.persistent) 0L [ 2L ] [ 1L ]
            expectRefusal "beyond its storage" (torchLegacy (dictionary [ "w", w ]) [ block ])

        refuses "another pickle" "magic" (pickle [ Op.emptyDict ])
        refuses "another protocol" "protocol" (Array.append (pickle [ magic ]) (pickle [ Op.int 1002L ]))
        refuses
            "big-endian"
            "big-endian"
            (Array.concat [ pickle [ magic ]; pickle [ Op.int 1001L ]; pickle [ system Op.no ] ])
        refuses "bytes behind" "after its last storage" (Array.append whole [| 0uy |])
        refuses "a storage that is not listed" "does not list" (torchLegacy legacyRoot [])
        refuses "a storage that is not described" "does not describe" (torchLegacy legacyRoot [ block; "x", 0L, [||] ])
        refuses "a storage listed twice" "twice" (torchLegacy legacyRoot [ block; block ])
        refuses "another count" "3 elements where" (torchLegacy legacyRoot [ "k", 3L, floats [ 1f; 2f; 3f ] ])
        refuses "a count of 2^60" "elements where" (torchLegacy legacyRoot [ "k", 1L <<< 60, floats [ 1f; 2f ] ])
        refuses "a truncated storage" "truncated" (torchLegacy legacyRoot [ "k", 2L, floats [ 1f ] ])

        testCase "truncated anywhere"
        <| fun () ->
            for length in 1 .. whole.Length - 1 do
                withFile whole[.. length - 1] (fun path ->
                    Expect.throwsT<WorkException>
                        (fun () -> Hybrid.Host.Checkpoints.PyTorchArchive.Read path |> ignore)
                        $"{length} bytes")
    ]

/// Saved on a GPU, where PyTorch writes the device of each storage; the bytes are the same.
let private devices =
    testList "devices" [
        for device in [ "cuda:0"; "cuda:3"; "mps:0" ] do
            testCase $"zip, {device}"
            <| fun () ->
                let w = tensor (storageOn device "FloatStorage" "0" 2L) 0L [ 2L ] [ 1L ]
                let result = read (torchZip (dictionary [ "w", w ]) [ "0", floats [ 1f; 2f ] ])
                Expect.equal (result.Tensors[0].ToFloat32()) [| 1f; 2f |] "read where there is no such device"

            testCase $"legacy, {device}"
            <| fun () ->
                let w = tensor (legacyStorageOn device "FloatStorage" "0" 2L) 0L [ 2L ] [ 1L ]
                let result = read (torchLegacy (dictionary [ "w", w ]) [ "0", 2L, floats [ 1f; 2f ] ])
                Expect.equal (result.Tensors[0].ToFloat32()) [| 1f; 2f |] "read where there is no such device"
    ]

let tests = testList "torch archives" [ zip; strides; state; legacy; devices ]
