/// Networks with nothing left at its starting value.
module Hybrid.Tests.Modules.Built

open TorchSharp
open Hybrid
open Hybrid.Tests.Modules.Reference

let placed layout = { Placement.cpu with DType = torch.ScalarType.Float64; Layout = layout }

/// A network in float64 with nothing left at its starting value, neither norms nor running statistics.
let build layout seed (plan: Plan) =
    use generator = generator seed

    let network =
        TorchModule.create (placed layout) (Initialisation.KaimingNormal(Fan.In, Activation.Relu)) generator plan

    use _ = torch.NewDisposeScope()
    use _ = torch.no_grad ()

    for spec in network.Weights.Specs do
        let tensor = network.Weights[spec.Key]
        let noise () = random generator (List.ofArray tensor.shape) * 0.1.ToScalar()

        match spec.Role with
        | Role.Weight when tensor.dim () > 1L -> ()
        | Role.Weight
        | Role.Bias
        | Role.RunningMean -> tensor.add_ (noise ()) |> ignore
        | Role.RunningVar -> tensor.add_ (noise().abs()) |> ignore
        | Role.NumBatchesTracked -> ()

    network

let batchFor generator count shape = random generator (int64 count :: List.map int64 (Shape.dims shape))
