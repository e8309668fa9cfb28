// An Inception block taken apart: four branches read the same maps, and their channels are laid side by side.
// Szegedy et al., "Going deeper with convolutions", 2015.
#load "prelude.fsx"

open Hybrid
open Hybrid.Combinators
open Prelude

let convBnAct kernel channels = convWith (Conv2d.square kernel channels) >>> batchNorm >>> relu

/// Wide kernels are dear: a 1×1 convolution first leaves them fewer channels to read.
let through1x1 reduced kernel channels = convBnAct 1 reduced >>> convBnAct kernel channels

let branches = [
    "1x1", convBnAct 1 16
    "3x3", through1x1 32 3 32
    "5x5", through1x1 16 5 8
    "pool", maxPoolWith (Pool2d.square 3 1 1) >>> convBnAct 1 8
]

let block = concat [ for segment, net in branches -> name segment net ]
let input = Shape.Image(64, 32, 32)
let costs net = (Summary.ofPlan (planOf input net)).Macs, (Summary.ofPlan (planOf input net)).Params

printfn "branch  channels  parameters  multiply-adds"

for segment, net in branches do
    let macs, parameters = costs net
    printfn $"%-6s{segment}%10d{Shape.channels (planOf input net).Out}%12d{parameters}%15d{macs}"

let plan = planOf input block
let macs, parameters = costs block
printfn $"all   %10d{Shape.channels plan.Out}%12d{parameters}%15d{macs}"

expect "as many channels as all branches" (plan.Out = Shape.Image(16 + 32 + 8 + 8, 32, 32))
expect "the costs of all branches" (macs = List.sumBy (snd >> costs >> fst) branches)
expect "PyTorch's names" (Plan.stateTensors plan |> List.exists (fun it -> it.Key.StartsWith "3x3."))

// What the 1×1 convolutions save: the 5×5 branch without one.
let direct, _ = costs (convBnAct 5 8)
let reduced, _ = costs (through1x1 16 5 8)
printfn $"\nthe 5x5 branch costs {float reduced / float direct:P0} of what it would without its 1x1 convolution"
expect "less" (reduced < direct)
