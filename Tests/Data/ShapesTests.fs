module Hybrid.Tests.Data.ShapesTests

open System
open System.Numerics
open System.Security.Cryptography
open Expecto
open Hybrid.Host.Data

let private sha256 (bytes: byte[]) = Convert.ToHexStringLower(SHA256.HashData bytes)

let private images (set: ImageSet) = [ for index in 0 .. set.Count - 1 -> sha256 (set.Image(index).ToArray()) ]

/// Share of `test` that multinomial logistic regression on the pixels gets right after a few epochs on `train`.
let private linearAccuracy (train: ImageSet) (test: ImageSet) =
    let inputs, classes = train.ImageBytes, train.Classes.Count
    let weights = Array.init classes (fun _ -> Array.zeroCreate<float32> inputs)
    let pixels = Array.zeroCreate<float32> inputs
    let lanes = Vector<float32>.Count

    let load (set: ImageSet) index =
        let image = set.Image index

        for i in 0 .. inputs - 1 do
            pixels[i] <- (float32 image[i] - 128f) / 64f

    let logits () =
        Array.init classes (fun k ->
            let mutable sum = Vector<float32>.Zero

            for i in 0..lanes .. inputs - lanes do
                sum <- sum + Vector(pixels, i) * Vector(weights[k], i)

            Vector.Sum sum)

    for epoch in 1..2 do
        let rate = 4e-5f / float32 epoch

        for index in 0 .. train.Count - 1 do
            load train index
            let scores = logits ()
            let top = Array.max scores
            let odds = scores |> Array.map (fun score -> MathF.Exp(score - top))
            let total = Array.sum odds

            for k in 0 .. classes - 1 do
                let wanted = if int64 k = train.Labels[index] then 1f else 0f
                let step = Vector<float32>(rate * (wanted - odds[k] / total))

                for i in 0..lanes .. inputs - lanes do
                    (Vector(weights[k], i) + Vector(pixels, i) * step).CopyTo(weights[k], i)

    let right =
        Seq.init test.Count id
        |> Seq.filter (fun index ->
            load test index
            let scores = logits ()
            int64 (Array.IndexOf(scores, Array.max scores)) = test.Labels[index])
        |> Seq.length

    float right / float test.Count

let tests =
    testList "shapes" [
        testCase "the default set has the same bytes on every machine"
        <| fun () ->
            let digests split =
                let set = Shapes.Draw split
                set.Count, sha256 set.Images, sha256 (Array.map byte set.Labels)

            let train =
                10_000,
                "5fc63fcef7defee3178b132995823aad276059c551b3bcaf3eab69221c7a9824",
                "d8c0d35d3b516222ab4aebcb96bd03a83aa922b67fd4d81ca977ee198673c336"

            let test =
                2_000,
                "d9056e65ddae7cd9e7cf21c7e52a7406056890f5beb649abbd60cc18ab82a69d",
                "131cd3e912bbdb4fedeee4110d0e1028eab4f00daaabb7fe988dacf63ab3745a"

            Expect.equal (digests Split.Train) train "images and labels to train on"
            Expect.equal (digests Split.Test) test "images and labels to test on"

        testCase "fewer are the beginning of more"
        <| fun () ->
            let few, many = Shapes.Draw(5UL, Split.Train, 37), Shapes.Draw(5UL, Split.Train, 120)
            Expect.equal few.Images (Array.truncate few.Images.Length many.Images) "images"
            Expect.equal few.Labels (Array.truncate 37 many.Labels) "labels"
            Expect.equal (Shapes.Draw(5UL, Split.Train, 0).Count) 0 "none"

        testCase "every ten hold each class once, not always in one order"
        <| fun () ->
            let blocks = Shapes.Draw(5UL, Split.Test, 100).Labels |> Array.chunkBySize 10

            for block in blocks do
                Expect.equal (Array.sort block) [| 0L .. 9L |] "each once"

            Expect.isGreaterThan (Array.distinct blocks).Length 8 "orders"

        testCase "seeds and splits share no image"
        <| fun () ->
            let sets = [
                for seed in [ 0UL; 1UL; 2UL; UInt64.MaxValue ] do
                    for split in [ Split.Train; Split.Test ] -> Shapes.Draw(seed, split, 200)
            ]

            let all = List.collect images sets
            Expect.equal (List.distinct all).Length all.Length "all differ"

        testCase "ten classes"
        <| fun () ->
            Expect.equal Shapes.Classes.Count 10 "names"
            Expect.equal (Seq.length (Seq.distinct Shapes.Classes)) 10 "all different"

        testCase "colour tells nothing about the class"
        <| fun () ->
            // The mean of 1,000 values of 0..255 spread as these are has a standard error of about 2.
            let set = Shapes.Draw Split.Train

            for channel in 0..2 do
                let means = [
                    for label in 0L .. 9L ->
                        Seq.init set.Count id
                        |> Seq.filter (fun index -> set.Labels[index] = label)
                        |> Seq.averageBy (fun index -> float (set.Image(index)[channel]))
                ]

                Expect.isLessThan (List.max means - List.min means) 12. "the first pixel's channel, between classes"

        testCase "a linear classifier on the pixels stays under 45 %"
        <| fun () ->
            let accuracy = linearAccuracy (Shapes.Draw Split.Train) (Shapes.Draw Split.Test)
            Expect.isLessThan accuracy 0.45 "not to be solved without convolutions"
            Expect.isGreaterThan accuracy 0.15 "and the classifier did learn"
    ]
