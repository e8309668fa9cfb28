module Hybrid.Tests.Training.StratifiedTests

open Expecto
open FsCheck.FSharp
open Hybrid

let private sizes = Gen.choose (1, 60) |> Gen.nonEmptyListOf |> Gen.map Array.ofList |> Arb.fromGen

let tests =
    testList "stratified split" [
        test "each class gives its share, the largest remainders first" {
            Expect.equal (Stratified.shares [| 76; 4; 2 |] 8) [| 8; 0; 0 |] "a tenth of few is none"
            Expect.equal (Stratified.shares [| 20; 20; 20 |] 6) [| 2; 2; 2 |] "equal shares"
            Expect.equal (Stratified.shares [| 10; 30 |] 4) [| 1; 3 |] "in proportion"
            Expect.equal (Stratified.shares [| 1; 1; 8 |] 5) [| 0; 0; 5 |] "a class keeps one to train on"
        }

        testProperty "as many as asked for, within one of the exact share where classes are large enough"
        <| Prop.forAll sizes (fun counts ->
            let all = Array.sum counts
            let held = all / 10
            let shares = Stratified.shares counts held

            Array.sum shares = held
            && Array.forall2
                (fun share count ->
                    abs (float share - float count * float held / float all) < 1.0 + float counts.Length / 2.0)
                shares
                counts)

        testProperty "every image is in one part, and a seed decides which"
        <| Prop.forAll sizes (fun counts ->
            let labels =
                counts |> Array.mapi (fun label count -> Array.replicate count (int64 label)) |> Array.concat

            let held = labels.Length / 10
            let training, validation = Stratified.places 42L labels counts.Length held

            validation.Length = held
            && Array.sort (Array.append training validation) = [| 0L .. labels.LongLength - 1L |]
            && (training, validation) = Stratified.places 42L labels counts.Length held)
    ]
