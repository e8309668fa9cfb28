namespace Hybrid

open System
open TorchSharp

/// A network that classifies pictures for as long as it is needed: fused where that form exists, else as it is. It owns
/// the network. One call at a time.
[<Sealed>]
type Classifier(network: TorchModule, normalisation: Normalisation) =

    let placement = network.Weights.Placement

    let fused =
        if Fusion.supports network.Weights then
            let fused = Fusion.ofWeights network.Weights
            // It has its own copy of the weights.
            network.Dispose()
            Some fused
        else
            network.eval ()
            None

    let forward: Tensor -> Tensor =
        match fused with
        | Some fused -> fused.forward
        | None -> network.forward

    /// The `top` most probable classes of each image, best first. `pixels` are red, green and blue, `[N, height, width, 3]`.
    member _.Classify(pixels: byte array, height: int, width: int, top: int) : Prediction array =
        let count = pixels.Length / (3 * height * width)

        if count = 0 then
            [||]
        else
            use images = Dataset.ofBytes pixels (Array.zeroCreate count) height width [||]
            Predict.images top forward (Feed.plain images normalisation placement count)

    interface IDisposable with
        member _.Dispose() =
            match fused with
            | Some fused -> (fused :> IDisposable).Dispose()
            | None -> network.Dispose()
