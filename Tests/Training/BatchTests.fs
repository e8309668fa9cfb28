module Hybrid.Tests.Training.BatchTests

open System
open Expecto
open FsCheck.FSharp
open TorchSharp
open Hybrid
open Hybrid.Host.Data
open Hybrid.Tests.Checkpoints.Handmade
open Hybrid.Tests.Networks.Nets
open Hybrid.Tests.Modules.Reference
open Hybrid.Tests.Training.SmallData

/// Labels of each batch of an epoch, with the pixels that came with them.
let private read feed seed shuffle dropLast epoch first = [
    for batch in Batch.epoch feed seed shuffle dropLast epoch first do
        use batch = batch
        let labels = batch.Labels.data<int64>().ToArray() |> List.ofArray
        let pixels = numbers batch.Images |> Array.map (fun x -> int64 (round (x * 255.0))) |> List.ofArray
        labels, pixels
]

let private labels batches = batches |> List.collect fst

let private anyFeed =
    Arb.fromGen (
        Gen.zip (Gen.zip (Gen.choose (1, 40)) (Gen.choose (1, 12))) (Gen.zip (Gen.choose (0, 50)) (Gen.choose (0, 9)))
    )

let private inScope name test = testCase name (fun () -> use _ = torch.NewDisposeScope() in test ())

let private epochs =
    testList "epochs" [
        propertyOf
            60
            "a shuffled epoch has every image once, with its own label"
            anyFeed
            (fun ((count, size), (seed, epoch)) ->
                use _ = torch.NewDisposeScope()
                let batches = read (feed size (numbered count)) seed true false epoch 0

                Expect.equal
                    (labels batches |> List.sort)
                    [ for index in 0L .. int64 count - 1L -> index ]
                    "every image"

                Expect.all batches (fun (labels, pixels) -> labels = pixels) "pixels and labels belong together"
                let sizes = batches |> List.map (fst >> List.length)
                Expect.equal sizes.Length ((count + size - 1) / size) "batches"
                Expect.all (List.take (sizes.Length - 1) sizes) ((=) size) "all full but the last")

        propertyOf 40 "a smaller last batch is left out where asked" anyFeed (fun ((count, size), (seed, epoch)) ->
            use _ = torch.NewDisposeScope()
            let feed = feed size (numbered count)
            let all = read feed seed true false epoch 0
            let full = read feed seed true true epoch 0
            Expect.equal full (all |> List.filter (fun (labels, _) -> labels.Length = size)) "the full ones"
            Expect.equal full.Length (Batch.count true feed) "count"
            Expect.equal all.Length (Batch.count false feed) "count of all")

        propertyOf
            40
            "an epoch that is taken up in the middle goes on as it would have"
            anyFeed
            (fun ((count, size), (seed, epoch)) ->
                use _ = torch.NewDisposeScope()
                let feed = { feed size (imagesOf count 3 6 10) with Augment = Augment.tutorial }
                let all = read feed seed true false epoch 0

                for first in 0 .. all.Length do
                    Expect.equal (read feed seed true false epoch first) (List.skip first all) $"from batch {first}")

        inScope "every epoch has an order of its own, and a seed always the same"
        <| fun () ->
            let feed = feed 8 (numbered 64)
            let order seed epoch = labels (read feed seed true false epoch 0)

            let orders = [
                for seed in 1L .. 5L do
                    for epoch in 0..9 -> order seed epoch
            ]

            Expect.equal (List.distinct orders).Length orders.Length "all different"
            Expect.equal (order 3L 4) (order 3L 4) "and reproducible"
            Expect.isFalse (List.contains [ 0L .. 63L ] orders) "none as stored"

        inScope "every epoch augments anew, and a seed always the same"
        <| fun () ->
            let feed = { feed 8 (imagesOf 8 3 32 10) with Augment = Augment.tutorial }
            let pixels seed epoch = read feed seed false false epoch 0
            Expect.equal (pixels 1L 2) (pixels 1L 2) "reproducible"
            Expect.notEqual (pixels 1L 2) (pixels 1L 3) "another epoch"
            Expect.notEqual (pixels 1L 2) (pixels 2L 2) "another seed"

        inScope "unshuffled is as stored"
        <| fun () ->
            let batches = read (feed 4 (numbered 10)) 1L false false 3 0
            Expect.equal (List.map fst batches) [ [ 0L .. 3L ]; [ 4L .. 7L ]; [ 8L; 9L ] ] "in order"

        inScope "without augmentation a batch is its normalised bytes"
        <| fun () ->
            let normalisation = { Mean = [| 0.1; 0.2; 0.3 |]; Std = [| 0.5; 0.25; 2.0 |] }
            let data = imagesOf 5 3 4 10

            for dtype, tolerance in
                [ torch.ScalarType.Float64, 1e-15; torch.ScalarType.Float32, 1e-6; torch.ScalarType.BFloat16, 1e-2 ] do
                for layout in [ Layout.Contiguous; Layout.ChannelsLast ] do
                    let feed = {
                        feed 5 data with
                            Normalisation = normalisation
                            Placement = { Placement.cpu with DType = dtype; Layout = layout }
                    }

                    use batch = Batch.epoch feed 1L false false 0 0 |> Seq.exactlyOne
                    Expect.equal batch.Images.dtype dtype "precision"

                    let strides =
                        if layout = Layout.Contiguous then
                            [ 48L; 16L; 4L; 1L ]
                        else
                            [ 48L; 1L; 12L; 3L ]

                    Expect.equal (List.ofArray (batch.Images.stride ())) strides "layout"
                    let bytes = planesOf data

                    let expected =
                        bytes
                        |> Array.mapi (fun index pixel ->
                            let channel = index / 16 % 3
                            (float pixel / 255.0 - normalisation.Mean[channel]) / normalisation.Std[channel])

                    Expect.isLessThan (difference (numbers batch.Images) expected) tolerance $"{dtype} {layout}"

            Expect.equal (planesOf data) (Array.init 240 hashed) "the set itself is left alone"
    ]

let private sets =
    testList "sets" [
        test "a set goes to the network's device if it takes at most a quarter of what is free there" {
            use data = numbered 100
            let there = { Placement.cpu with Device = torch.META }
            let near free = Datasets.Near(data, there, free)
            let stays it = obj.ReferenceEquals(it, data)
            Expect.isTrue (stays (near (Nullable 399L))) "too large"
            use moved = near (Nullable 400L)
            Expect.equal moved.Pixels.device.``type`` DeviceType.META "its pixels"
            Expect.equal moved.Labels.device.``type`` DeviceType.META "and its labels"
            use small = near (Nullable())
            Expect.isFalse (stays small) "small enough for any"
            Expect.isTrue (stays (Datasets.Near(data, Placement.cpu, Nullable 400L))) "it is there already"
        }

        inScope "bytes come channels last, are not copied, and leave channels first"
        <| fun () ->
            let bytes = Array.init 24 byte
            let data = Dataset.ofBytes bytes [| 3L; 1L |] 2 2 [| "a" |]
            Expect.equal data.Shape (Shape.Image(3, 2, 2)) "shape"
            Expect.equal data.Count 2 "count"
            let first = [| 0uy; 3uy; 6uy; 9uy; 1uy; 4uy; 7uy; 10uy; 2uy; 5uy; 8uy; 11uy |]

            Expect.equal (planesOf data) (Array.append first (first |> Array.map ((+) 12uy))) "pixels"

            Expect.equal (data.Labels.data<int64>().ToArray()) [| 3L; 1L |] "labels"
            bytes[0] <- 99uy
            Expect.equal (Array.head (planesOf data)) 99uy "the bytes themselves"

        inScope "the first few"
        <| fun () ->
            let data = numbered 10
            Expect.equal (numbers (Dataset.take 3 data).Labels) [| 0.0; 1.0; 2.0 |] "three"
            Expect.equal (Dataset.take 30 data).Count 10 "no more than there are"

        inScope "at places"
        <| fun () ->
            let chosen = Dataset.select (torch.tensor [| 7L; 2L; 7L |]) (numbered 10)
            Expect.equal (numbers chosen.Labels) [| 7.0; 2.0; 7.0 |] "labels"
            Expect.equal (planesOf chosen) [| 7uy; 2uy; 7uy |] "pixels"

        inScope "parts share the pixels of the whole, and outlive it"
        <| fun () ->
            let bytes = Array.init 240 hashed

            let data =
                Dataset.ofBytes bytes (Array.init 20 (fun place -> int64 (place % 4))) 2 2 [| "0"; "1"; "2"; "3" |]

            let parts = [
                yield! (let train, held = Dataset.split 42L 5 data in [ train; held ])
                yield! (let train, held = Stratified.split 42L 5 data in [ train; held ])
                Dataset.take 3 data
                Dataset.select (torch.tensor [| 7L; 2L |]) data
                Dataset.relabel [| "3"; "2"; "1"; "0" |] data
            ]

            let places = [ for part in parts -> List.ofArray (part.Places.data<int64>().ToArray()) ]

            (data :> IDisposable).Dispose()
            // Whoever had copied them would not see it.
            bytes |> Array.iteri (fun place it -> bytes[place] <- it + 1uy)

            for part, places in List.zip parts places do
                let image (place: int64) = Array.sub bytes (int place * 12) 12
                use own = torch.arange (int64 part.Count)
                use pixels = Dataset.pixelsAt own part
                Expect.equal (Dataset.toBytes pixels) (places |> List.map image |> Array.concat) "its own images"

        inScope "a part on another device is without the others' images"
        <| fun () ->
            let part = Dataset.take 3 (numbered 10)
            Expect.equal (Dataset.onto torch.META part).Pixels.shape[0] 3L "three"

        // The numbers are PyTorch's: torch.manual_seed(42); torch.randperm(50000).
        inScope "the split is PyTorch's random_split under its seed"
        <| fun () ->
            let train, validation = Dataset.splitPlaces 42L 50_000 5_000
            let train, validation = train.data<int64>().ToArray(), validation.data<int64>().ToArray()
            Expect.equal (train.Length, validation.Length) (45_000, 5_000) "sizes"
            Expect.equal train[..5] [| 37542L; 44491L; 216L; 43688L; 41558L; 32245L |] "first"
            Expect.equal train[44998..] [| 2410L; 12721L |] "last of the training images"
            Expect.equal validation[..2] [| 17408L; 40845L; 3378L |] "first of the validation images"
            Expect.equal validation[4997..] [| 40730L; 25847L; 33082L |] "last"
            let all = Array.append train validation
            Expect.equal (Array.sort all) [| 0L .. 49_999L |] "every place once"

            Expect.equal
                (all |> Array.mapi (fun index place -> int64 index * place) |> Array.sum)
                31_281_711_490_637L
                "checksum"

        inScope "a split of nothing"
        <| fun () ->
            let train, validation = Dataset.splitPlaces 7L 10 0
            Expect.equal (numbers train) [| 5.0; 0.0; 3.0; 4.0; 1.0; 7.0; 9.0; 6.0; 8.0; 2.0 |] "PyTorch's numbers"
            Expect.equal (validation.numel ()) 0L "no validation"
    ]

let private normalisation =
    testList "normalisation" [
        inScope "mean and standard deviation of all pixels, by channel"
        <| fun () ->
            // More images than are looked at in one go.
            let data = imagesOf 1203 3 40 10
            let bytes = planesOf data
            let found = Normalisation.ofDataset data

            for channel in 0..2 do
                let values = [
                    for index in 0 .. bytes.Length - 1 do
                        if index / 1600 % 3 = channel then
                            float bytes[index] / 255.0
                ]

                let mean = List.average values
                let std = sqrt (values |> List.averageBy (fun x -> (x - mean) ** 2.0))
                Expect.isLessThan (abs (found.Mean[channel] - mean)) 6e-9 "mean"
                Expect.isLessThan (abs (found.Std[channel] - std)) 6e-9 "standard deviation"

        inScope "a channel that never changes keeps its scale"
        <| fun () ->
            let data = {
                numbered 3 with
                    Pixels =
                        torch.full_like (
                            torch.zeros ([| 3L; 2L; 2L; 1L |], dtype = Nullable torch.ScalarType.Byte),
                            51.0.ToScalar()
                        )
            }

            Expect.equal (Normalisation.ofDataset data) { Mean = [| 0.2 |]; Std = [| 1.0 |] } "no division by 0"

        testCase "CIFAR-10's published figures"
        <| fun () ->
            use _ = torch.NewDisposeScope()
            let images = CifarFiles.Read(CifarVariant.Cifar10, shared "data/cifar-10-batches-bin", Split.Train)
            use data = Dataset.ofBytes images.Images images.Labels 32 32 (Array.ofSeq images.Classes)

            Expect.equal
                (Normalisation.ofDataset data)
                {
                    Mean = [| 0.49139968; 0.48215841; 0.44653091 |]
                    Std = [| 0.24703223; 0.24348513; 0.26158784 |]
                }
                "mean and standard deviation"
    ]

let private randomness =
    testList "randomness" [
        testCase "every use, epoch and batch has a seed of its own"
        <| fun () ->
            let seeds = [
                for seed in 0L .. 3L do
                    for purpose in [ Purpose.Shuffle; Purpose.Augment ] do
                        for epoch in 0..9 do
                            for batch in 0..9 -> Randomness.derive seed purpose epoch batch
            ]

            Expect.equal (List.distinct seeds).Length seeds.Length "all different"
            Expect.all seeds (fun seed -> seed >= 0L && seed <= int64 UInt32.MaxValue) "32 bits"
    ]

let tests = testList "batch" [ epochs; sets; normalisation; randomness ]
