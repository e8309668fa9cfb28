/// The home of the layers.
module Hybrid.Tests.Networks.LayerTests

open FSharp.Reflection
open Expecto
open Hybrid
open Hybrid.Combinators
open Hybrid.Tests.Networks.Nets

let private cases<'a> (value: 'a) = (FSharpValue.GetUnionFields(value, typeof<'a>) |> fst).Name

let private casesOf<'a> = FSharpType.GetUnionCases typeof<'a> |> Array.map _.Name |> Set.ofArray

let private input = Shape.Image(6, 9, 8)

let private refuses name net (message: string) =
    test name {
        match Plan.elaborate input net with
        | Ok plan -> failtest $"{plan.Out}"
        | Error errors -> Expect.equal (errors |> List.map string) [ message ] "what is wrong"
    }

let private gives name net (out: Shape) = test name { Expect.equal (planOf input net).Out out "the shape" }

let tests =
    testList "layers" [
        test "every case of the union has a form of its own" {
            Expect.equal (Layers.forms |> List.map (fst >> cases) |> Set.ofList) casesOf<Layer> "forms"
            let names = Layers.forms |> List.map (fst >> Layers.name)
            Expect.equal (List.distinct names) names "names are told apart"
            Expect.equal (Activations.all |> List.map cases |> Set.ofList) casesOf<Activation> "activations"
            let words = Activations.named |> List.map fst
            Expect.equal (List.distinct words) words "words are told apart"
        }

        gives "a rectangle" (convWith (Conv2d.rectangle 1 7 5)) (Shape.Image(5, 9, 8))
        gives "a dilated one" (convWith (Conv2d.square 3 5 |> Conv2d.dilation 4)) (Shape.Image(5, 3, 2))
        gives "sides rounded up" (maxPoolWith (Pool2d.square 2 2 0 |> Pool2d.ceiling)) (Shape.Image(6, 5, 4))
        // The last window would begin in the margin behind the map.
        gives
            "a window that begins outside does not count"
            (maxPoolWith { Pool2d.square 2 4 1 with Ceiling = true })
            (Shape.Image(6, 3, 3))
        gives "four sides" (convWith (Conv2d.square 3 5 |> Conv2d.margins 0 1 2 3)) (Shape.Image(5, 8, 11))
        // As many as there are steps.
        gives "same" (convWith (Conv2d.square 5 5 |> Conv2d.stride 2 |> Conv2d.same)) (Shape.Image(5, 5, 4))
        gives
            "same without a remainder"
            (convWith (Conv2d.square 3 5 |> Conv2d.stride 3 |> Conv2d.same))
            (Shape.Image(5, 3, 3))
        gives
            "same with steps over pixels"
            (convWith (Conv2d.square 1 5 |> Conv2d.stride 2 |> Conv2d.same))
            (Shape.Image(5, 5, 4))
        gives "a linear layer of pixels" (pixelLinear 5) (Shape.Image(5, 9, 8))

        test "a plan has the numbers of same padding" {
            let padding side net =
                match Plan.layers (planOf (Shape.Image(6, side, side)) (convWith net)) with
                | [ _, { Layer = Layer.Conv2d conv } ] -> conv.Padding
                | other -> failtest $"%A{other}"

            let strided = Conv2d.square 3 4 |> Conv2d.stride 2 |> Conv2d.same
            let square = Sides.square >> Padding.Even
            Expect.equal (padding 9 strided) (square 1) "an odd side"

            Expect.equal
                (padding 8 strided)
                (Padding.Uneven { Top = 0; Bottom = 1; Left = 0; Right = 1 })
                "an even side"

            Expect.equal (padding 8 (Conv2d.square 3 4 |> Conv2d.same)) (square 1) "without a stride"
            let dilated = Conv2d.square 3 4 |> Conv2d.dilation 2 |> Conv2d.same
            Expect.equal (padding 8 dilated) (square 2) "a dilated one"
        }

        test "layers are constructed in an order of their own" {
            let plan =
                planOf input (ordered [ "c"; "b" ] (chain [ name "a" (conv 2); name "b" (conv 3); name "c" (conv 4) ]))

            let keys = Plan.stateTensors plan |> List.map _.Key
            Expect.equal keys [ "c.weight"; "c.bias"; "b.weight"; "b.bias"; "a.weight"; "a.bias" ] "keys"
            Expect.equal (Plan.layers plan |> List.map (fun (plan, _) -> plan.Path)) [ "a"; "b"; "c" ] "read as before"

            let inner segment = name segment (ordered [ "y" ] (chain [ name "x" (conv 2); name "y" (conv 3) ]))
            let nested = planOf input (ordered [ "b" ] (chain [ inner "a"; inner "b" ]))
            let keys = Plan.stateTensors nested |> List.map _.Key |> List.filter _.EndsWith("weight")
            Expect.equal keys [ "b.y.weight"; "b.x.weight"; "a.y.weight"; "a.x.weight" ] "one inside the other"
        }

        refuses
            "less than no margin"
            (convWith (Conv2d.square 3 5 |> Conv2d.margins 0 -1 0 0))
            "Conv2d: got padding below -1, expected at least 0"
        refuses
            "a margin that makes a map of its own too large"
            (convWith (
                Conv2d.square 3 5 |> Conv2d.stride 2_000_000_000 |> Conv2d.margins 1_000_000_000 1_000_000_000 0 0
            ))
            "Conv2d: got 96000000432 numbers in one tensor, expected fewer than 2^31"
        gives "a gate" (product [ identity; globalAvgPool >>> conv1x1 6 ]) input
        gives "a gate first" (product [ globalAvgPool; identity ]) input

        test "weights of groups are as many as each group reads" {
            let plan = planOf input (convWith (Conv2d.square 3 4 |> Conv2d.groups 2))
            Expect.equal ((Plan.stateTensors plan).Head.Dims) [ 4; 3; 3; 3 ] "[out, in / groups, height, width]"
            Expect.equal (Plan.macs plan) (4L * 72L * 3L * 9L) "multiply-adds"
        }

        refuses
            "outputs that fall into no groups"
            (convWith (Conv2d.square 3 5 |> Conv2d.groups 2))
            "Conv2d: got 5 channels, expected a multiple of its 2 groups"
        refuses
            "inputs that fall into no groups"
            (convWith (Conv2d.square 3 8 |> Conv2d.groups 4))
            "Conv2d: got 6 channels, expected a multiple of its 4 groups"
        refuses
            "no groups"
            (convWith (Conv2d.square 3 8 |> Conv2d.groups 0))
            "Conv2d: got groups 0, expected at least 1"
        refuses "groups of a norm" (groupNorm 4) "GroupNorm: got 6 channels, expected a multiple of its 4 groups"
        refuses "all is left out" (dropout 1.0) "Dropout: got rate 1, expected a number from 0 to below 1"
        refuses "no number" (dropout nan) "Dropout: got rate NaN, expected a number from 0 to below 1"
        refuses
            "a dilated window that is too large"
            (convWith (Conv2d.square 3 5 |> Conv2d.dilation 6 |> Conv2d.padding 0))
            "Conv2d: got maps of 6×9×8, expected at least 13×13 for a 13×13 window with padding 0"
        refuses
            "factors that differ"
            (product [ identity; conv1x1 3 ])
            "Product: got branches of 6×9×8, 3×9×8, expected all of one shape, or of its channels × 1 × 1"

        test "settings that are usual are not written, and are read where they stand" {
            let text = """{"conv2d":{"channels":4,"kernel":3,"stride":1,"padding":1,"bias":true}}"""
            Expect.equal (StoredNet.write (conv 4)) text "as ever"

            let all =
                """{"conv2d":{"channels":4,"kernel":[3,1],"stride":1,"padding":[1,0],"dilation":[2,1],"groups":2,"bias":true}}"""

            let net = StoredNet.read all |> Result.defaultWith failtest
            Expect.equal (StoredNet.write net) all "both ways"
        }
    ]
