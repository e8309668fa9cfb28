module Hybrid.Tests.Describe.FootprintTests

open System
open Expecto
open TorchSharp
open Hybrid
open Hybrid.Combinators
open Hybrid.Tests.Networks.Nets

let private input = Shape.Image(3, 8, 8)
let private plan net = planOf input net

let private precision dtype = { Placement.cpu with DType = dtype }
let private float32 = precision torch.ScalarType.Float32

let private image net = (Footprint.training float32 (plan net)).Image

let private published name =
    match Catalogue.find name [] with
    | Ok model -> planOf (Shape.Image(3, 32, 32)) model.Net
    | Error message -> failwith message

let tests =
    testList "footprint" [
        test "a map that is kept counts, one that is written over does not" {
            // Numbers of one image: 3×8×8 = 192 go in, a convolution of four maps makes 256; four bytes each, and half
            // as much again beside them.
            Expect.equal (image (conv 4)) (int64 (1.5 * 4.0 * float (192 + 256))) "a convolution"
            Expect.equal (image (conv 4 >>> relu)) (image (conv 4)) "an activation writes over its input"
            Expect.equal (image (conv 4 >>> batchNorm)) (int64 (1.5 * 4.0 * float (192 + 512))) "a norm does not"
            Expect.equal (image (residual (conv 3))) (image (conv 3)) "a sum is added into one of its terms"

            Expect.equal
                (image (concat [ name "a" (conv 2); name "b" (conv 2) ]))
                (int64 (1.5 * 4.0 * float (192 + 256 + 256)))
                "a concatenation copies its branches"
        }

        test "in bfloat16 maps take half, and the weights as much as before" {
            let wide = Footprint.training float32 (plan (conv 4))
            let narrow = Footprint.training (precision torch.ScalarType.BFloat16) (plan (conv 4))
            Expect.equal narrow.Image (wide.Image / 2L) "maps"
            Expect.equal narrow.Fixed wide.Fixed "weights, gradients and moments"
        }

        test "evaluation takes less than training" {
            for name in Catalogue.tutorial do
                let plan = published name
                let training, inference = Footprint.training float32 plan, Footprint.inference float32 plan
                Expect.isLessThan inference.Image training.Image name
                Expect.isLessThan inference.Fixed training.Fixed name
        }

        // Resident memory of `hybrid bench` grew by so many bytes an image between batches of 32 and of 256, in
        // float32 on x64.
        for name, measured in [ "ResNet", 2.4e6; "ResNetPreAct", 2.3e6; "GoogleNet", 13.6e6; "DenseNet", 12.8e6 ] do
            test $"{name}: within a third of what was measured" {
                let estimated = float (Footprint.training float32 (published name)).Image
                Expect.isGreaterThan estimated (measured / 1.5) "not far below"
                Expect.isLessThan estimated (measured * 1.5) "not far above"
            }

        test "the largest batch of a power of two that fits" {
            let footprint = { Fixed = 1000L; Image = 100L }
            let largest = Footprint.largestBatch footprint
            Expect.equal (largest 1099L) 0 "not one image"
            Expect.equal (largest 1100L) 1 "one"
            Expect.equal (largest 7399L) 32 "63 images"
            Expect.equal (largest 7400L) 64 "64 images"
            Expect.equal (largest 10L) 0 "not even the weights"
        }

        test "what to say where memory ran out" {
            let footprint = { Fixed = 1L <<< 30; Image = 1L <<< 20 }
            let said = Footprint.tooLittleMemory "cuda:0" 4096 footprint (Some(3L <<< 30))

            for words in [ "cuda:0"; "batches of 4096"; "5.0 GiB"; "3.0 GiB"; "--batch-size 1024" ] do
                Expect.stringContains said words "the device, what was asked, what is there, what may fit"

            let surprise = Footprint.tooLittleMemory "cuda:0" 512 footprint (Some(100L <<< 30))
            Expect.stringContains surprise "--batch-size 256" "what has failed is not proposed again"
            Expect.stringContains (Footprint.tooLittleMemory "mps" 96 footprint None) "--batch-size 64" "nobody knows"
            let hopeless = Footprint.tooLittleMemory "cuda:0" 1 footprint (Some(8L <<< 30))
            Expect.stringContains hopeless "smaller" "one image is too many"
        }

        test "libtorch's own words for it" {
            for words in
                [
                    "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 15.77 GiB"
                    "[enforce fail at alloc_cpu.cpp:116] data. DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes."
                    "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"
                    "MPS backend out of memory (MPS allocated: 1.00 GB)"
                ] do
                Expect.isTrue (Footprint.isOutOfMemory words) words

            Expect.isFalse
                (Footprint.isOutOfMemory "The size of tensor a (3) must match the size of tensor b (4)")
                "not this"

            let real =
                try
                    torch.empty([| 1L <<< 52 |]).Dispose()
                    "nothing was wrong"
                with error ->
                    error.Message

            Expect.isTrue (Footprint.isOutOfMemory real) real
        }
    ]
