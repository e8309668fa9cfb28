module Hybrid.Tests.Bench.PlainModuleTests

open Expecto
open TorchSharp
open Hybrid
open Hybrid.Tests.Networks.Nets
open Hybrid.Tests.Modules.Reference

let tests =
    testList "plain module" [
        for name in Catalogue.tutorial do
            testCase $"{name} is the network of the plan"
            <| fun () ->
                use _ = torch.NewDisposeScope()
                use generator = generator 1
                let model = Catalogue.find name [] |> Result.defaultWith failtest
                let plan = planOf (Shape.Image(3, 32, 32)) model.Net
                use network = PlainModule.create plan

                use ours = TorchModule.create Placement.cpu model.Initialisation generator plan

                // Its own names differ; the order does not, but for buffers after parameters.
                let specs = ours.Weights.Specs |> List.ofArray |> List.sortBy (fun spec -> not spec.IsParameter)
                use _ = torch.no_grad ()

                (specs, network.state_dict().Values |> List.ofSeq)
                ||> List.iter2 (fun spec tensor ->
                    Expect.equal (List.ofArray tensor.shape) (List.map int64 spec.Dims) spec.Key
                    ours.Weights[spec.Key].copy_ tensor |> ignore)

                network.eval ()
                ours.eval ()
                let x = (random generator [ 2L; 3L; 32L; 32L ]).``to`` torch.ScalarType.Float32
                close 1e-4 "logits" (network.forward x) (ours.forward x)
    ]
