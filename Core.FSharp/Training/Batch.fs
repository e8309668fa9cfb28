namespace Hybrid

open System
open TorchSharp

/// How images of a set become batches.
type Feed = {
    Data: Dataset
    Normalisation: Normalisation
    Placement: Placement
    BatchSize: int
    Augment: Augmentation list
}

[<RequireQualifiedAccess>]
module Feed =

    /// Images as they are, for a network held at `placement`.
    let plain (data: Dataset) (normalisation: Normalisation) placement batchSize : Feed = {
        Data = data
        Normalisation = normalisation
        Placement = placement
        BatchSize = batchSize
        Augment = []
    }

/// Images ready for a network, and their labels.
type Batch = {
    /// `[N, C, H, W]`, normalised.
    Images: Tensor
    /// `[N]`, int64.
    Labels: Tensor
} with

    /// How many images.
    member batch.Count = int batch.Images.shape[0]

    interface IDisposable with
        member batch.Dispose() =
            batch.Images.Dispose()
            batch.Labels.Dispose()

[<RequireQualifiedAccess>]
module Batch =

    let private outOfScope (tensor: Tensor) =
        tensor.MoveToOuterDisposeScope() |> ignore
        tensor

    /// What pixels are augmented and normalised in: half precision has too few digits for it.
    let private working (placement: Placement) =
        match placement.DType with
        | torch.ScalarType.Float64 -> torch.ScalarType.Float64
        | _ -> torch.ScalarType.Float32

    /// The images at `places` `[N]`, augmented by numbers from `generator`, normalised by `scale`, on the feed's device
    /// and in its precision and layout. Where the set lies elsewhere its bytes go over, and the rest is done there.
    let private read (feed: Feed) scale (generator: torch.Generator) (places: Tensor) : Batch =
        use _ = torch.NewDisposeScope()
        use _ = torch.no_grad ()
        let device = feed.Placement.Device

        let toDevice (part: Tensor) = part.``to`` (device, non_blocking = true)
        let pixels = (Dataset.pixelsAt places feed.Data |> toDevice).``to``(working feed.Placement)
        let normalised = Augment.apply feed.Augment generator pixels |> Normalisation.apply scale

        {
            Images = normalised.``to`` feed.Placement.DType |> Layout.apply feed.Placement.Layout |> outOfScope
            Labels = feed.Data.Labels.index_select (0L, places) |> toDevice |> outOfScope
        }

    /// Number of batches in an epoch.
    let count dropLast (feed: Feed) =
        if dropLast then
            feed.Data.Count / feed.BatchSize
        else
            // In long integers: a batch may be of any size.
            int ((int64 feed.Data.Count + int64 feed.BatchSize - 1L) / int64 feed.BatchSize)

    /// Places of all images `[N]` in the order in which an epoch reads them, on the data's device.
    let order (data: Dataset) (seed: int64) shuffle epoch =
        let device = data.Places.device

        if shuffle then
            use generator = Randomness.generator seed Purpose.Shuffle epoch 0
            torch.randperm(int64 data.Count, generator = generator).``to`` device
        else
            torch.arange (int64 data.Count, device = device)

    /// Batches of one epoch from number `first` on, in a new order each epoch if `shuffle`. Each batch is the
    /// reader's to dispose.
    let epoch (feed: Feed) (seed: int64) shuffle dropLast epoch first : Batch seq =
        seq {
            use order = order feed.Data seed shuffle epoch
            let mean, std = Normalisation.tensors feed.Normalisation (working feed.Placement) feed.Placement.Device
            use mean = mean
            use std = std

            for number in first .. count dropLast feed - 1 do
                let start = number * feed.BatchSize
                let size = min feed.BatchSize (feed.Data.Count - start)
                use generator = Randomness.generator seed Purpose.Augment epoch number
                use places = order.narrow (0L, int64 start, int64 size)
                yield read feed (mean, std) generator places
        }
