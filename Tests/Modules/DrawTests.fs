module Hybrid.Tests.Modules.DrawTests

open System
open Expecto
open TorchSharp
open Hybrid
open Hybrid.Host.Checkpoints
open Hybrid.Tests.Checkpoints.Handmade
open Hybrid.Tests.Networks.Nets
open Hybrid.Tests.Modules.Reference

let private built placement (seed: uint64) name overrides =
    match Catalogue.find name overrides with
    | Error message -> failtest message
    | Ok model ->
        use generator = new torch.Generator(seed, torch.CPU)
        TorchModule.create placement model.Initialisation generator (planOf (Shape.Image(3, 32, 32)) model.Net)

let private bits (values: float32 array) = values |> Array.map BitConverter.SingleToUInt32Bits

let private float32s (tensor: Tensor) =
    use _ = torch.NewDisposeScope()
    tensor.detach().contiguous().data<float32>().ToArray()

let private placements = [
    Placement.cpu
    { Placement.cpu with Layout = Layout.Contiguous }
    { Placement.cpu with DType = torch.ScalarType.Float64 }
]

let tests =
    testList "first weights" [
        for name in Catalogue.tutorial do
            testCase $"{name}: seed 42 gives PyTorch's weights bit for bit, in every precision and layout"
            <| fun () ->
                let reference = CheckpointFile.Read(shared $"golden/trajectories/{name}.init.pt")

                for placement in placements do
                    use network = built placement 42UL name []
                    let weights = network.Weights

                    Expect.equal
                        [ for t in reference.Tensors -> t.Name ]
                        [ for spec in weights.Specs -> spec.Key ]
                        "keys"

                    for stored in reference.Tensors do
                        let tensor = weights[stored.Name]
                        Expect.equal tensor.shape stored.Shape stored.Name

                        if tensor.dtype = torch.ScalarType.Float32 then
                            Expect.equal (bits (float32s tensor)) (bits (stored.ToFloat32())) stored.Name
                        else
                            Expect.equal (numbers tensor) (Array.map float (stored.ToFloat32())) stored.Name

        testCase "the same seed gives the same weights, another seed others"
        <| fun () ->
            use first = built Placement.cpu 7UL "ResNet" [ "num_blocks", "1,1"; "c_hidden", "4,8" ]
            use again = built Placement.cpu 7UL "ResNet" [ "num_blocks", "1,1"; "c_hidden", "4,8" ]
            use other = built Placement.cpu 8UL "ResNet" [ "num_blocks", "1,1"; "c_hidden", "4,8" ]
            Expect.equal (bits (float32s first.Weights.Flat)) (bits (float32s again.Weights.Flat)) "the same"
            Expect.notEqual (bits (float32s first.Weights.Flat)) (bits (float32s other.Weights.Flat)) "others"

        testCase "drawing moves the given generator alone"
        <| fun () ->
            use generator = new torch.Generator(5UL, torch.CPU)
            let plan = planOf (Shape.Image(3, 8, 8)) (Combinators.conv 4)
            let draw () = TorchModule.create Placement.cpu Initialisation.PyTorch generator plan
            use first = draw ()
            use second = draw ()
            Expect.notEqual (float32s first.Weights.Flat) (float32s second.Weights.Flat) "drawn on"
            use restarted = new torch.Generator(5UL, torch.CPU)
            use third = TorchModule.create Placement.cpu Initialisation.PyTorch restarted plan
            Expect.equal (float32s third.Weights.Flat) (float32s first.Weights.Flat) "drawn again"
    ]
