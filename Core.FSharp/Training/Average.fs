namespace Hybrid

open TorchSharp

/// The exponential moving average of a network over its steps. Polyak and Juditsky, "Acceleration of stochastic
/// approximation by averaging", 1992, with forgetting.
[<RequireQualifiedAccess>]
module Average =

    /// A network of its own, in evaluation mode, that holds what `network` holds.
    let start (network: TorchModule) : TorchModule =
        use _ = torch.NewDisposeScope()
        use _ = torch.no_grad ()
        let weights = new Weights(network.Plan, network.Weights.Placement)

        for spec in weights.Specs do
            weights[spec.Key].copy_ network.Weights[spec.Key] |> ignore

        let average = new TorchModule(weights)
        average.eval ()
        average

    /// After step number `step`, counted from 0: the average keeps `decay` of itself and takes the rest from `network`;
    /// after the first step it takes all. As PyTorch's AveragedModel with `use_buffers=True`: the statistics of the
    /// batch norms are averaged like the weights that they were measured with, since those of the last step belong to
    /// other weights; their counters are copied.
    let step decay (step: int64) (network: TorchModule) (average: TorchModule) =
        use _ = torch.NewDisposeScope()
        use _ = torch.no_grad ()
        let from, into = network.Weights, average.Weights

        let follow (average: Tensor) (now: Tensor) =
            if step = 0L then
                average.copy_ now |> ignore
            else
                // In this form what does not change is left as it is to the last bit.
                average.add_ (now.sub average, scalar (1.0 - decay)) |> ignore

        follow into.Flat from.Flat

        for spec in from.Specs do
            match spec.Role with
            | Role.RunningMean
            | Role.RunningVar -> follow into[spec.Key] from[spec.Key]
            | Role.NumBatchesTracked -> into[spec.Key].copy_ from[spec.Key] |> ignore
            | _ -> ()
