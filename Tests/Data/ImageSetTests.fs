module Hybrid.Tests.Data.ImageSetTests

open Hybrid
open System
open Expecto
open Hybrid.Host.Data
open Hybrid.Host.Runtime

let tests =
    testList "image set" [
        testCase "lengths that disagree are refused"
        <| fun () ->
            let build () = ImageSet(Array.zeroCreate 17, [| 0L |], [| "a" |], 2, 3) |> ignore
            Expect.throwsT<ArgumentException> build "17 bytes are no 2x3 image"

        testCase "a set over 2 GiB is refused before it is allocated"
        <| fun () ->
            let allocate () = ImageSet.Allocate(700_000L, 32, 32, "the set") |> ignore

            Expect.throwsC allocate (fun error ->
                Expect.isTrue (error :? RequestException) "a wrong request"
                Expect.stringContains error.Message "the set: 700,000 images of 32x32" "what was wanted"
                Expect.stringContains error.Message "at most 699,050" "what is allowed")
    ]
