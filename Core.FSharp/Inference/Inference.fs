namespace Hybrid

open TorchSharp

/// A network as a function from images `[N, C, H, W]` to logits `[N, classes]`, for as long as it is needed.
[<RequireQualifiedAccess>]
module Inference =

    /// The network as it is trained, in evaluation mode; it is left in the mode it was in.
    let plain (network: TorchModule) (run: (Tensor -> Tensor) -> 'a) : 'a =
        let training = network.training
        network.eval ()

        try
            run network.forward
        finally
            network.train training

    /// To fuse a network takes as long as it then saves on about so many images.
    let private worthFusing = 64

    /// The network in the form that is fastest for so many images: fused, where that form exists and pays.
    let fastest (network: TorchModule) (images: int) (run: (Tensor -> Tensor) -> 'a) : 'a =
        if images >= worthFusing && Fusion.supports network.Weights then
            use fused = Fusion.ofWeights network.Weights
            run fused.forward
        else
            plain network run
