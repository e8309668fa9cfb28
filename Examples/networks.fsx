// Your first network. Networks are values: compose them, look at them, and hear of every mistake before a tensor exists.
#load "prelude.fsx"

open Hybrid
open Hybrid.Combinators
open Prelude

let block channels = residual (conv channels >>> batchNorm >>> relu >>> conv channels >>> batchNorm) >>> relu

let net =
    conv 32
    >>> batchNorm
    >>> relu
    >>> block 32
    >>> maxPool 2
    >>> conv 64
    >>> block 64
    >>> globalAvgPool
    >>> flatten
    >>> linear 10

let image = Shape.Image(3, 32, 32)
let plan = planOf image net
printfn $"{Summary.ofPlan plan}\n"
expect "ten outputs" (plan.Out = Shape.Features 10)

// The same network on larger images: what follows from the input is nowhere written down.
expect
    "four times the work"
    ((Summary.ofPlan (planOf (Shape.Image(3, 64, 64)) net)).Macs > 3L * (Summary.ofPlan plan).Macs)

// Three mistakes in one network: all of them are found, each with its place.
let wrong =
    sequential [
        sum [ conv 16; linear 16 ]
        maxPoolWith (Pool2d.square 2 0 0)
        name "head" (convWith (Conv2d.square 3 0))
    ]

match Plan.elaborate image wrong with
| Ok _ -> failwith "three mistakes were overlooked"
| Error errors ->
    errors |> List.iter (printfn "%O")
    expect "three mistakes" (errors.Length = 3)
