/// Random networks of any kind, most of which cannot work.
module Hybrid.Tests.Networks.AnyNets

open System
open FsCheck
open FsCheck.FSharp
open Hybrid
open Hybrid.Combinators
open Hybrid.Tests.Networks.Nets

let private number =
    Gen.frequency [ 8, Gen.choose (0, 9); 1, Gen.elements [ -1; -7; Int32.MinValue; Int32.MaxValue ] ]

let private real =
    Gen.frequency [ 8, Gen.elements [ 0.0; 1e-5; 0.1; 0.5; 1.0 ]; 1, Gen.elements [ -1.0; 1e308; Double.Epsilon ] ]

/// Of every sort that the union has, so that none is forgotten.
let private anyLayer =
    ArbMap.defaults
    |> ArbMap.mergeArb (Arb.fromGen number)
    |> ArbMap.mergeArb (Arb.fromGen real)
    |> ArbMap.generate<Layer>

let private segment =
    Gen.frequency [
        6, Gen.elements [ "a"; "b"; "net"; "0"; "1"; "conv_1x1" ]
        1, Gen.elements [ ""; "."; "a.b"; "né \"\\\n\t{}☃"; "\u0000"; "𝄞" ]
    ]

let rec private anyNet depth =
    let layer = Gen.map Net.Layer anyLayer

    if depth = 0 then
        layer
    else
        let members = Gen.choose (0, 3) |> Gen.bind (fun count -> Gen.listOfLength count (anyNet (depth - 1)))

        Gen.frequency [
            3, layer
            2, Gen.map Net.Chain members
            1, Gen.map2 (fun join nets -> Net.Fork(join, nets)) (ArbMap.generate<Join> ArbMap.defaults) members
            1, Gen.map2 (fun segment net -> Net.Named(segment, net)) segment (anyNet (depth - 1))
            1, Gen.map2 (fun segments net -> Net.Ordered(segments, net)) (Gen.listOf segment) (anyNet (depth - 1))
        ]

let private side =
    Gen.frequency [ 8, Gen.choose (1, 12); 1, Gen.elements [ 0; -1; Int32.MaxValue; Int32.MinValue; 70_000 ] ]

let private anyShape =
    Gen.frequency [ 4, Gen.map3 (fun c h w -> Shape.Image(c, h, w)) side side side; 1, Gen.map Shape.Features side ]

/// Networks of any form, with any numbers and names.
let anything = Arb.fromGenShrink (anyNet 4, shrink)

/// Such networks with an input of any size.
let anyPair =
    Arb.fromGenShrink (Gen.zip anyShape (anyNet 4), (fun (shape, net) -> shrink net |> Seq.map (fun net -> shape, net)))

/// Networks as people write them, by combinators alone.
let rec private spoken depth =
    if depth = 0 then
        Gen.map Net.Layer anyLayer
    else
        let inner = spoken (depth - 1)
        let several = Gen.choose (0, 3) |> Gen.bind (fun count -> Gen.listOfLength count inner)

        Gen.oneof [
            Gen.map Net.Layer anyLayer
            Gen.constant identity
            Gen.map chain several
            Gen.map sequential several
            Gen.map concat several
            Gen.map sum several
            Gen.map residual inner
            Gen.map2 name segment inner
            Gen.map2 ordered (Gen.listOf segment) inner
            Gen.map2 (>>>) inner inner
        ]

let written = Arb.fromGen (spoken 3)

let three = Arb.fromGen (Gen.three (spoken 3))

/// A mistake that is one for any map of up to 12×12.
let private mistake =
    Gen.elements [
        convWith (Conv2d.square 99 4 |> Conv2d.padding 0)
        convWith { Conv2d.square 3 4 with Stride = Sides.square 0 }
        convWith { Conv2d.square 3 0 with Padding = Padding.Even(Sides.square 1) }
        convWith { Conv2d.square 3 4 with Padding = Padding.Even(Sides.square -1) }
        maxPoolWith (Pool2d.square 3 1 2)
        avgPool 30
        linear 5
        linear 0
    ]

/// A chain of numbered layers that reads maps and ends in a vector of 3, with a mistake among them; and the mistake's
/// place. What follows would do with whatever the mistaken layer was meant to give.
let flawed =
    gen {
        let! before = Gen.choose (0, 4)
        let! after = Gen.choose (0, 4)
        let! start = Gen.listOfLength before (Gen.map fst (keeping 5))
        let! bad = mistake

        let! rest =
            match bad with
            | Net.Layer(Layer.Linear _) ->
                Gen.listOfLength after (Gen.map activation (Gen.elements activations))
                |> Gen.map (fun rest -> rest @ [ linear 3 ])
            | _ ->
                Gen.listOfLength after (Gen.map fst (keeping 5))
                |> Gen.map (fun rest -> rest @ [ globalAvgPool; flatten; linear 3 ])

        return sequential (start @ [ bad ] @ rest), before
    }
