// What the examples begin with: `#load "prelude.fsx"`. The libraries of the last build (dotnet build -c Release), and drawn
// pictures to try things on. A program of your own has the package instead: #r "nuget: Hybrid".
#r "../Host.CSharp/bin/Release/net10.0/Hybrid.Core.dll"
#r "../Host.CSharp/bin/Release/net10.0/TorchSharp.dll"
#r "../Host.CSharp/bin/Release/net10.0/hybrid.dll"

open Hybrid
open Hybrid.Host.Data
open Hybrid.Host.Runtime
open TorchSharp

// As the host does before the first tensor; without it the same comes out, only slower.
Allocator.KeepMemory()
Threads.WaitBriefly()

/// Pictures of ten classes, 32×32, drawn by the program: circles, stars, stripes and others.
let drawn split count = Shapes.Draw(Shapes.Seed, split, count).ToDataset()

/// A plan, or every mistake of the network.
let planOf input net =
    match Plan.elaborate input net with
    | Ok plan -> plan
    | Error errors -> failwith (ShapeError.report $"the network does not work on {input}" errors)

/// A network with first weights, the same for the same seed.
let networkOf (seed: int) plan =
    use generator = new torch.Generator(uint64 seed, torch.CPU)
    TorchModule.create Placement.cpu (Initialisation.KaimingNormal(Fan.Out, Activation.Relu)) generator plan

/// An example that does not hold ends with an error.
let expect (what: string) holds =
    if not holds then
        failwith $"expected: {what}"
