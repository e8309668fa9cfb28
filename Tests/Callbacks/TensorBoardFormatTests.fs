module Hybrid.Tests.Callbacks.TensorBoardFormatTests

open System
open Expecto
open SkiaSharp
open Hybrid.Host.Logs
open Hybrid.Tests.Callbacks.EventRecords

let private checksums =
    testList "checksums" [
        // RFC 3720, appendix B.4; the last is the check value of the catalogues of checksums.
        for name, bytes, expected in
            [
                "32 zeros", Array.zeroCreate 32, 0x8A9136AAu
                "32 ones", Array.create 32 255uy, 0x62A8AB43u
                "rising", Array.init 32 byte, 0x46DD794Eu
                "falling", Array.init 32 (fun i -> byte (31 - i)), 0x113FDB5Cu
                "the digits", "123456789"B, 0xE3069283u
                "nothing", [||], 0u
            ] do
            test name {
                Expect.equal (RecordFile.Crc32C(ReadOnlySpan bytes)) expected "known value"
                Expect.equal (crc32c bytes) expected "the tests' own"
            }

        test "the masked checksum of a length of 24, with which every event file begins" {
            let length = BitConverter.GetBytes 24UL
            Expect.equal (RecordFile.MaskedChecksum(ReadOnlySpan length)) 0x224B7FA3u "a3 7f 4b 22"
        }

        testProperty "bytes of any length as the bitwise definition has it" (fun (bytes: byte array) ->
            RecordFile.Crc32C(ReadOnlySpan bytes) = crc32c bytes)
    ]

let private pictures =
    testList "pictures" [
        test "a grid has each image in its place, and white between them" {
            let red, green, blue = [ 255uy; 0uy; 0uy ], [ 0uy; 255uy; 0uy ], [ 0uy; 0uy; 255uy ]
            let image colour = List.replicate 2 colour
            let bytes = List.collect image [ red; green; blue ] |> List.concat |> Array.ofList
            let grid = Picture.Grid(ReadOnlySpan bytes, 3, 1, 2, 2)
            use picture = SKBitmap.Decode grid.Png
            let pixels = [ for y in 0..3 -> [ for x in 0..5 -> picture.GetPixel(x, y) ] ]
            let white, red, green, blue = SKColors.White, SKColors.Red, SKColors.Lime, SKColors.Blue
            Expect.equal (grid.Width, grid.Height) (6, 4) "size"

            Expect.equal
                pixels
                [
                    [ red; red; white; white; green; green ]
                    List.replicate 6 white
                    List.replicate 6 white
                    [ blue; blue; white; white; white; white ]
                ]
                "pixels"
        }
    ]

let tests = testList "TensorBoard's format" [ checksums; pictures ]
