module Hybrid.Tests.Data.ImageSetTests

open Hybrid
open System
open Expecto
open FsCheck.FSharp
open Hybrid.Host.Data
open Hybrid.Host.Runtime

/// Images of 2x3 pixels: every byte of image i is i, its label is i modulo 4.
let private numbered count =
    let images = [| for image in 0 .. count - 1 -> Array.create (2 * 3 * 3) (byte image) |]
    let labels = [| for image in 0 .. count - 1 -> int64 (image % 4) |]
    ImageSet(Array.concat images, labels, [| "a"; "b"; "c"; "d" |], 2, 3)

let private numbers (set: ImageSet) = [
    for index in 0 .. set.Count - 1 do
        let image = set.Image(index).ToArray()
        Expect.allEqual image image[0] "an image stays in one piece"
        Expect.equal set.Labels[index] (int64 image[0] % 4L) "the label stays with its image"
        int image[0]
]

let tests =
    testList "image set" [
        testCase "lengths that disagree are refused"
        <| fun () ->
            let build () = ImageSet(Array.zeroCreate 17, [| 0L |], [| "a" |], 2, 3) |> ignore
            Expect.throwsT<ArgumentException> build "17 bytes are no 2x3 image"

        testProperty "a selection has the chosen images in the chosen order"
        <| fun (indices: int list) ->
            let set = numbered 10
            let indices = [ for index in indices -> abs (index % 10) ]
            numbers (set.Select(List.toArray indices)) = indices

        testProperty "a slice is the selection of a range"
        <| Prop.forAll (Gen.choose (0, 10) |> Gen.two |> Arb.fromGen) (fun (a, b) ->
            let start, stop = min a b, max a b
            numbers ((numbered 10).Slice(start, stop - start)) = [ start .. stop - 1 ])

        testCase "take stops at the end"
        <| fun () ->
            let set = numbered 5
            Expect.equal (numbers (set.Take 2)) [ 0; 1 ] "two"
            Expect.equal (numbers (set.Take 9)) [ 0..4 ] "all there are"
            Expect.equal (set.Take(0).Count) 0 "none"

        testCase "positions outside are refused"
        <| fun () ->
            let set = numbered 5
            let outside action = Expect.throwsT<ArgumentOutOfRangeException> action
            outside (fun () -> set.Select [| 5 |] |> ignore) "beyond the end"
            outside (fun () -> set.Select [| -1 |] |> ignore) "before the beginning"
            outside (fun () -> set.Slice(4, 2) |> ignore) "over the end"

        testCase "a set over 2 GiB is refused before it is allocated"
        <| fun () ->
            let allocate () = ImageSet.Allocate(700_000L, 32, 32, "the set") |> ignore

            Expect.throwsC allocate (fun error ->
                Expect.isTrue (error :? RequestException) "a wrong request"
                Expect.stringContains error.Message "the set: 700,000 images of 32x32" "what was wanted"
                Expect.stringContains error.Message "at most 699,050" "what is allowed")
    ]
