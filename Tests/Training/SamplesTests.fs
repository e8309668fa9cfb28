module Hybrid.Tests.Training.SamplesTests

open Expecto
open TorchSharp
open Hybrid
open Hybrid.Tests.Modules.Reference
open Hybrid.Tests.Training.SmallData

/// Pixels `[N, C, H, W]` of a run's first batch, on the scale of bytes, rounded; channels last.
let private firstBatch (run: Recipe) (data: Dataset) =
    let feed = { feed run.BatchSize data with Augment = run.Augment }

    use batch = Batch.epoch feed run.Seed run.Shuffle run.DropLast 0 0 |> Seq.head

    numbers (batch.Images.permute(0L, 2L, 3L, 1L).contiguous())
    |> Array.map (fun x -> byte (round (x * 255.0)))

let private differences (a: byte array) (b: byte array) =
    Array.map2 (fun (x: byte) (y: byte) -> abs (int x - int y)) a b

let private run = {
    recipe with
        BatchSize = 6
        Shuffle = true
        Augment = Augment.tutorial
        Seed = 5L
}

let private inScope name test = testCase name (fun () -> use _ = torch.NewDisposeScope() in test ())

let tests =
    testList "samples" [
        inScope "the very pixels that the run's first batch has" (fun () ->
            let data = imagesOf 20 3 8 10
            let samples = Samples.ofRun run data 100
            Expect.equal (samples.Count, samples.Height, samples.Width) (6, 8, 8) "a batch, where more are asked for"
            let seen = firstBatch run data
            Expect.equal samples.Augmented.Length seen.Length "size"
            Expect.isLessThanOrEqual (differences samples.Augmented seen |> Array.max) 1 "augmented"
            Expect.equal samples.Raw (firstBatch { run with Augment = [] } data) "as they are stored"
            Expect.notEqual samples.Raw samples.Augmented "augmentation changes something")

        inScope "fewer are the first of them" (fun () ->
            let data = imagesOf 20 3 8 10
            let all, two = Samples.ofRun run data 6, Samples.ofRun run data 2
            let size = 2 * 8 * 8 * 3
            Expect.equal two.Count 2 "count"
            Expect.equal two.Raw (Array.take size all.Raw) "raw"
            Expect.equal two.Augmented (Array.take size all.Augmented) "drawn for the batch, not for the two")

        inScope "a set smaller than a batch" (fun () ->
            let samples = Samples.ofRun { run with Augment = [] } (imagesOf 3 3 8 10) 32
            Expect.equal samples.Count 3 "count"
            Expect.equal samples.Augmented samples.Raw "nothing augments")
    ]
