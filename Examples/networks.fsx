// Networks are values: compose them, look at them, and hear of every mistake before a tensor exists.
// Build once (dotnet build -c Release), then: dotnet fsi Examples/networks.fsx
#r "../Host.CSharp/bin/Release/net10.0/Hybrid.Core.dll"

open Hybrid
open Hybrid.Combinators

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

match Plan.elaborate image net with
| Ok plan -> printfn $"{Summary.ofPlan plan}\n"
| Error errors -> failwith $"%A{errors}"

// Three mistakes in one network: all of them are found, each with its place.
let wrong =
    sequential [
        sum [ conv 16; linear 16 ]
        maxPoolWith (Pool2d.square 2 0 0)
        name "head" (convWith (Conv2d.square 3 0))
    ]

match Plan.elaborate image wrong with
| Ok _ -> failwith "three mistakes were overlooked"
| Error errors -> errors |> List.iter (printfn "%O")
