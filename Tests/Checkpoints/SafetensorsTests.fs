module Hybrid.Tests.Checkpoints.SafetensorsTests

open System
open System.IO
open System.Text
open Expecto
open Hybrid.Host.Checkpoints
open Hybrid.Host.Runtime
open Hybrid.Tests.Checkpoints.Handmade

let private file (header: string) (data: byte[]) =
    let bytes = Encoding.UTF8.GetBytes header
    Array.concat [ BitConverter.GetBytes bytes.LongLength; bytes; data ]

let private header dtype shape offsets = $"""{{"w":{{"dtype":"{dtype}","shape":{shape},"data_offsets":{offsets}}}}}"""

let private refuses name reason bytes = testCase name (fun () -> expectRefusal reason bytes)

let private written (tensors: StoredTensor list) metadata =
    withFile [||] (fun path ->
        Safetensors.Write(path, List.toArray tensors, metadata)
        File.ReadAllBytes path)

let private none = Map.empty<string, string>

let private dtypes = Enum.GetValues<DType>()

/// Tensors of all types and of shapes with sizes from 0 to 4, by a seed.
let private drawn (seed: int) = [
    let random = Random seed

    for i in 0 .. random.Next 8 do
        let dtype = dtypes[random.Next dtypes.Length]
        let shape = [| for _ in 1 .. random.Next 4 -> int64 (random.Next 5) |]
        let bytes = Array.zeroCreate<byte>(int (Array.fold (*) 1L shape) * dtype.Size())
        random.NextBytes bytes
        let bytes = if dtype = DType.Bool then bytes |> Array.map (fun b -> b &&& 1uy) else bytes
        StoredTensor($"layer.{i}.π\"", dtype, shape, bytes)
]

let tests =
    testList "safetensors" [
        testProperty "what is written is read"
        <| fun (seed: int) ->
            let tensors = drawn seed
            let result = withFile (written tensors none) Safetensors.Read
            Expect.equal [ for t in result.Tensors -> t.Name ] [ for t in tensors -> t.Name ] "order"

            for before, after in Seq.zip tensors result.Tensors do
                Expect.equal after.DType before.DType "type"
                Expect.equal after.Shape before.Shape "shape"
                Expect.isTrue (after.Bytes.Span.SequenceEqual before.Bytes.Span) "bytes"

        testCase "equal tensors give equal files, aligned to 8 bytes"
        <| fun () ->
            let metadata = Map [ "b", "2"; "a", "1" ]
            let bytes = written (drawn 3) metadata
            Expect.equal (written (drawn 3) (Map [ "a", "1"; "b", "2" ])) bytes "same bytes"
            Expect.equal (BitConverter.ToInt64(bytes, 0) % 8L) 0L "aligned"

        testCase "a header as long as a pickle's first bytes say"
        <| fun () ->
            for length in [ 0x0280; 0x0380; 0x0480; 0x0580 ] do
                let text = header "U8" "[1]" "[0,1]"
                Expect.equal (read (file (text.PadRight length) [| 7uy |])).Tensors.Count 1 $"{length} bytes"

        testCase "metadata is kept"
        <| fun () ->
            let result = withFile (written [] (Map [ "format", "pt"; "x", "line\nbreak" ])) Safetensors.Read
            Expect.equal result.Metadata["x"] "line\nbreak" "text"
            Expect.equal result.Metadata.Count 2 "count, without the checksum"

        testCase "a name may not be used twice or be the metadata's"
        <| fun () ->
            let tensor name = StoredTensor(name, DType.UInt8, [| 0L |], ReadOnlyMemory.Empty)

            for names in [ [ "a"; "a" ]; [ "__metadata__" ] ] do
                Expect.throwsT<ArgumentException> (fun () -> written (List.map tensor names) none |> ignore) "refused"

        testCase "a failed write leaves the file as it was"
        <| fun () ->
            withFile "before"B (fun path ->
                let failing =
                    fun (stream: Stream) ->
                        stream.Write "half"B
                        raise (IOException "disk full")

                Expect.throwsT<WorkException> (fun () -> AtomicFile.Write(path, failing)) "reported"
                Expect.equal (File.ReadAllBytes path) "before"B "untouched"
                let pattern = $".{Path.GetFileName path}.*"
                Expect.isEmpty (Directory.GetFiles(Path.GetDirectoryName path, pattern)) "no rest")

        testCase "a reference file's bytes are read"
        <| fun () ->
            let bytes = file (header "F32" "[2]" "[0,8]" + "   ") (floats [ 1.5f; -2f ])
            Expect.equal ((read bytes).Tensors[0].ToFloat32()) [| 1.5f; -2f |] "values"

        testCase "a tensor of a type that is not read may lie beside the others"
        <| fun () ->
            let strange = """"s":{"dtype":"F8_E4M3","shape":[2],"data_offsets":[4,6]}"""
            let header = """{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},""" + strange + "}"
            Expect.equal (read (file header (Array.zeroCreate 6))).Tensors.Count 1 "the one that is"

        for metadata in [ "null"; "{}"; """{"epoch":3,"best":null}""" ] do
            testCase $"metadata that is {metadata}"
            <| fun () ->
                let bytes = file ("{\"__metadata__\":" + metadata + "}") [||]
                Expect.equal (read bytes).Tensors.Count 0 "read"

        refuses "a header longer than the file" "claims a header" (Array.append (BitConverter.GetBytes 100L) "{}"B)
        refuses "a header of 2^63" "claims a header" (Array.append (BitConverter.GetBytes Int64.MinValue) "{}"B)
        refuses "a shape that does not fit" "does not fit" (file (header "F32" "[3]" "[0,8]") (Array.zeroCreate 8))
        refuses
            "a shape of 2^62"
            "does not fit"
            (file (header "F32" "[4611686018427387904,2]" "[0,8]") (Array.zeroCreate 8))
        refuses
            "a size beyond 2^63"
            "natural number"
            (file (header "F32" "[18446744073709551616]" "[0,8]") (Array.zeroCreate 8))
        refuses "a negative size" "natural number" (file (header "F32" "[-2,-1]" "[0,8]") (Array.zeroCreate 8))
        refuses "a range beyond the data" "outside the file" (file (header "F32" "[2]" "[0,8]") (Array.zeroCreate 7))
        refuses
            "a range that runs backwards"
            "outside the file"
            (file (header "F32" "[2]" "[8,0]") (Array.zeroCreate 8))
        refuses "a gap" "leave a gap" (file (header "F32" "[2]" "[4,12]") (Array.zeroCreate 12))
        refuses "data behind the last tensor" "bytes of data" (file (header "F32" "[2]" "[0,8]") (Array.zeroCreate 9))
        refuses "an unknown field" "unknown field 'x'" (file """{"w":{"x":1}}""" [||])
        refuses "a missing field" "has no dtype" (file """{"w":{"shape":[0]}}""" [||])
        refuses "malformed JSON" "malformed" (file "{\"w\":" [||])
        refuses
            "text that is not UTF-8"
            "UTF-8"
            (Array.concat [ BitConverter.GetBytes 5L; [| byte '{'; byte '"'; 0xFFuy; byte '"'; byte '}' |] ])
        refuses
            "half a surrogate pair"
            "malformed"
            (file """{"\ud800":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}""" [||])
        refuses "metadata that is a list" "a Array, not a Object" (file """{"__metadata__":[1]}""" [||])

        testCase "duplicate keys"
        <| fun () ->
            let one = "\"w\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}"
            expectRefusal "malformed" (file ("{" + one + "," + one + "}") [| 0uy |])

        testCase "overlap"
        <| fun () ->
            let one name = $"\"{name}\":{{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}"
            expectRefusal "overlap" (file ("{" + one "a" + "," + one "b" + "}") [| 0uy; 0uy |])

        testCase "truncated anywhere"
        <| fun () ->
            let whole = written (drawn 5) none

            for length in 9 .. whole.Length - 1 do
                withFile whole[.. length - 1] (fun path ->
                    Expect.throwsT<WorkException> (fun () -> Safetensors.Read path |> ignore) $"{length} bytes")
    ]
