namespace Hybrid

open System
open System.Collections.Generic
open Hybrid.Command

/// Data sets from C#. All images of a set are of one size; labels are places in its classes.
[<AbstractClass; Sealed>]
type Datasets =
    /// Bytes `[N, H, W, 3]` and their labels. The bytes are not copied: to write to them is to change the set.
    static member OfBytes(images: byte array, labels: int64 array, height: int, width: int, classes: string array) =
        Dataset.ofBytes images labels height width classes

    /// Pixels `[N, H, W, C]`, uint8, and their labels. The tensor is the set's from now on.
    static member OfPixels(pixels: TorchSharp.torch.Tensor, labels: int64 array, classes: string array) =
        Dataset.ofPixels pixels labels classes

    /// The pixels of all images in their order, `[n, C, H, W]`, uint8, contiguous, some megabytes at a time. Each tensor
    /// is gone when the next one is asked for.
    static member Chunks(data: Dataset) : IEnumerable<TorchSharp.torch.Tensor> = Dataset.chunks data

    /// Training and validation images, as PyTorch's `random_split` takes them, of folders with each class's share; the
    /// validation part may be empty.
    static member Split(data: Dataset, request: DataRequest) : struct (Dataset * Dataset) =
        let training, held = DataRequest.divide request data |> orThrow
        struct (training, held)

    /// How many images of each class there are.
    static member PerClass(data: Dataset) : IReadOnlyList<int> = Dataset.perClass data

    /// The same images, sharing their pixels, with labels that are places in other classes; each class of `data` with
    /// images must be among them.
    static member Relabel(data: Dataset, classes: string array) : Dataset = Dataset.relabel classes data

    /// The first images, as many as asked for; a negative number asks for all.
    static member Limit(data: Dataset, count: int) : Dataset = if count < 0 then data else Dataset.take count data

    /// The images at some places as bytes `[N, H, W, C]`.
    static member Bytes(data: Dataset, places: int array) : byte array = Dataset.bytesAt places data

    /// The images on the network's device where they fit there, else as they are; `free` are the device's free bytes,
    /// if they are known.
    static member Near(data: Dataset, placement: Placement, free: Nullable<int64>) : Dataset =
        if placement.Device.``type`` <> data.Places.device.``type`` && Dataset.fits free data then
            Dataset.onto placement.Device data
        else
            data

    /// Mean and standard deviation of each channel over all pixels of a set, scaled to 0..1.
    static member Normalisation(data: Dataset) : Normalisation = Normalisation.ofDataset data
