module Hybrid.Tests.Training.BatchSizeSearchTests

open Expecto
open FsCheck.FSharp
open Hybrid

let private reading size bytes : MemoryReading = { BatchSize = size; Bytes = bytes }

let tests =
    testList "batch size search" [
        test "an epoch keeps one whole batch" {
            for images, expected in [ 1, None; 2, Some 2; 3, Some 2; 64, Some 64; 45_000, Some 32_768 ] do
                Expect.equal (BatchSizeSearch.most images) expected $"{images} images"
        }

        testProperty "by doubling: the largest power of two below the limit and the memory"
        <| Prop.forAll (Arb.fromGen (Gen.zip (Gen.choose (2, 100_000)) (Gen.choose (0, 20)))) (fun (memory, power) ->
            let most = 1 <<< power
            let size = BatchSizeSearch.byDoubling (fun size -> size <= memory) most
            size <= most && size <= memory && (size = 0 && most < 2 || size * 2 > min most memory))

        test "by doubling: what does not fit is tried once" {
            let tried = ResizeArray<int>()

            let fits size =
                tried.Add size
                size <= 100

            Expect.equal (BatchSizeSearch.byDoubling fits 4096) 64 "found"
            Expect.equal (List.ofSeq tried) [ 2; 4; 8; 16; 32; 64; 128 ] "in this order"
        }

        test "by measure: four fifths of what is free, at what an image took" {
            let readings = [ reading 16 1_016_000L; reading 64 1_064_000L ]
            let find free = BatchSizeSearch.byMeasure 10L free readings 65_536
            Expect.equal (find 1_279_999L) 512 "1,000 bytes an image: 1,024 would take a little more than there is"
            Expect.equal (find 1_280_000L) 1024 "just as much"
            Expect.equal (BatchSizeSearch.byMeasure 10L 1_280_000L readings 256) 256 "the data bound it"

            Expect.equal
                (BatchSizeSearch.byMeasure 2000L 1_280_000L readings 65_536)
                512
                "never less than was estimated"

            Expect.equal (find 0L) 64 "what was measured did fit"
        }

        test "by measure: sizes to measure at are within the limit" {
            Expect.equal (BatchSizeSearch.probes 4096) [ 16; 64 ] "small ones"
            Expect.equal (BatchSizeSearch.probes 8) [ 8; 8 ] "no more than there are"
            Expect.equal (BatchSizeSearch.byMeasure 10L 1L [ reading 8 5L; reading 8 5L ] 8) 8 "nothing larger to find"
        }
    ]
