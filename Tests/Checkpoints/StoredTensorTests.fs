module Hybrid.Tests.Checkpoints.StoredTensorTests

open System
open Expecto
open Hybrid.Host.Checkpoints

let private stored dtype (shape: int64 list) (bytes: byte[]) = StoredTensor("t", dtype, List.toArray shape, bytes)

let private refuses name dtype shape bytes =
    testCase name (fun () ->
        Expect.throwsT<ArgumentException> (fun () -> stored dtype shape bytes |> ignore) "must not be made")

let tests =
    testList "stored tensors" [
        testCase "a scalar has one element"
        <| fun () -> Expect.equal (stored DType.Int64 [] (BitConverter.GetBytes 7L)).Count 1 "count"

        testCase "a size of 0 leaves no element, whatever the others"
        <| fun () -> Expect.equal (stored DType.Float32 [ Int64.MaxValue; 0L; Int64.MaxValue ] [||]).Count 0 "count"

        refuses "too few bytes" DType.Float32 [ 2L; 3L ] (Array.zeroCreate 23)
        refuses "a negative size" DType.Float32 [ -1L; -6L ] (Array.zeroCreate 24)
        refuses "a product beyond 2^63" DType.UInt8 [ 1L <<< 32; 1L <<< 32 ] [||]
        refuses "a product that wraps to the right size" DType.UInt8 [ 1L <<< 62; 4L; 1L ] [||]
        refuses "a bool of 2" DType.Bool [ 2L ] [| 1uy; 2uy |]

        testCase "every type converts"
        <| fun () ->
            let cases = [
                DType.Float64, BitConverter.GetBytes -1.5, -1.5
                DType.Float32, BitConverter.GetBytes 0.1f, float 0.1f
                DType.Float16, BitConverter.GetBytes(Half.op_Explicit -0.25f: Half), -0.25
                DType.BFloat16, [| 0x49uy; 0x40uy |], 3.140625
                DType.Int64, BitConverter.GetBytes -5L, -5.0
                DType.Int32, BitConverter.GetBytes -70000, -70000.0
                DType.Int16, BitConverter.GetBytes -300s, -300.0
                DType.Int8, [| 0xFFuy |], -1.0
                DType.UInt8, [| 0xFFuy |], 255.0
                DType.Bool, [| 1uy |], 1.0
            ]

            for dtype, bytes, expected in cases do
                Expect.equal ((stored dtype [ 1L ] bytes).ToFloat32()) [| float32 expected |] $"{dtype}"

        testCase "a NaN keeps its payload as float32"
        <| fun () ->
            let bytes = BitConverter.GetBytes 0x7FA12345u
            let value = (stored DType.Float32 [ 1L ] bytes).ToFloat32()
            Expect.equal (BitConverter.SingleToUInt32Bits value[0]) 0x7FA12345u "bits"
    ]
