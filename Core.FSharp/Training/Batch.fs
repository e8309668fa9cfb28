namespace Hybrid

open System
open TorchSharp

/// A labelled set of images of one size, held as bytes.
type Dataset = {
    /// `[N, 3, H, W]`, uint8.
    Pixels: Tensor
    /// `[N]`, int64.
    Labels: Tensor
    /// Names in the order of the labels.
    Classes: string array
} with

    member data.Count = int data.Pixels.shape[0]

    /// Shape of one image.
    member data.Shape =
        let size = data.Pixels.shape
        Shape.Image(int size[1], int size[2], int size[3])

    interface IDisposable with
        member data.Dispose() =
            data.Pixels.Dispose()
            data.Labels.Dispose()

/// Mean and standard deviation of each channel, of pixels scaled to 0..1.
type Normalisation = { Mean: float array; Std: float array }

/// Images ready for a network, and their labels.
type Batch = {
    /// `[N, C, H, W]`, normalised.
    Images: Tensor
    /// `[N]`, int64.
    Labels: Tensor
} with

    member batch.Count = int batch.Images.shape[0]

    interface IDisposable with
        member batch.Dispose() =
            batch.Images.Dispose()
            batch.Labels.Dispose()

[<RequireQualifiedAccess>]
module Dataset =

    /// Bytes in channels-last order, `[N, H, W, 3]`, as image decoders give them.
    let ofBytes (images: byte array) (labels: int64 array) height width (classes: string array) : Dataset =
        use _ = torch.NewDisposeScope()
        // Read where they are, so that the set is copied once; an empty array has no place.
        let bytes =
            if images.Length = 0 then
                torch.tensor images
            else
                torch.frombuffer (images, torch.ScalarType.Byte)

        let pixels = bytes.view (labels.LongLength, int64 height, int64 width, 3L)

        {
            Pixels = pixels.permute(0L, 3L, 1L, 2L).contiguous().DetachFromDisposeScope()
            Labels = torch.tensor(labels).DetachFromDisposeScope()
            Classes = classes
        }

    /// Pixels `[N, C, H, W]` as bytes in channels-last order.
    let toBytes (pixels: Tensor) : byte array =
        use _ = torch.NewDisposeScope()
        pixels.permute(0L, 2L, 3L, 1L).contiguous().cpu().data<byte>().ToArray()

    /// The same images on another device.
    let onto (device: torch.Device) (data: Dataset) : Dataset = {
        data with
            Pixels = data.Pixels.``to`` device
            Labels = data.Labels.``to`` device
    }

    /// What a set may take of the memory that is free on the network's device.
    let private share = 0.25

    /// Free memory of a device that does not say how much it has: no GPU that one trains on has less.
    let private unknownFree = 4L <<< 30

    /// Whether a set may lie on a device where so many bytes are free.
    let fits (free: int64 Nullable) (data: Dataset) =
        let free = if free.HasValue then free.Value else unknownFree
        float (data.Pixels.numel ()) <= share * float free

    /// The images at some places, in that order.
    let select (places: Tensor) (data: Dataset) : Dataset = {
        data with
            Pixels = data.Pixels.index_select (0L, places)
            Labels = data.Labels.index_select (0L, places)
    }

    /// The images at some places as bytes `[N, H, W, C]`, in that order.
    let bytesAt (places: int array) (data: Dataset) : byte array =
        use _ = torch.NewDisposeScope()
        let places = torch.tensor (Array.map int64 places, device = data.Pixels.device)
        toBytes (select places data).Pixels

    /// How many images of each class there are.
    let perClass (data: Dataset) : int array =
        let counts = Array.zeroCreate data.Classes.Length
        use labels = data.Labels.cpu ()

        for label in labels.data<int64>().ToArray() do
            counts[int label] <- counts[int label] + 1

        counts

    /// The same images with the labels of other classes, which are told by their names. The pixels are shared.
    let relabel (classes: string array) (data: Dataset) : Dataset =
        let places = data.Classes |> Array.map (fun name -> int64 (Array.IndexOf(classes, name)))
        use labels = data.Labels.cpu ()
        let labels = labels.data<int64>().ToArray() |> Array.map (fun label -> places[int label])
        { data with Labels = torch.tensor labels; Classes = classes }

    /// The first `count` images, or all where there are fewer.
    let take count (data: Dataset) : Dataset =
        let count = int64 (min count data.Count)

        {
            data with
                Pixels = data.Pixels.narrow(0L, 0L, count).clone()
                Labels = data.Labels.narrow(0L, 0L, count).clone()
        }

    /// Places of the training and of the validation images, as PyTorch's `random_split` takes them from
    /// `count` images right after `manual_seed(seed)`.
    let splitPlaces (seed: int64) count validation =
        use generator = new torch.Generator(uint64 seed, torch.CPU)
        use order = torch.randperm (int64 count, generator = generator)
        let training = int64 (count - validation)
        order.narrow(0L, 0L, training).clone(), order.narrow(0L, training, int64 validation).clone()

    /// Training and validation images at the places of `splitPlaces`; the validation part may be empty.
    let split seed validation (data: Dataset) : Dataset * Dataset =
        if validation = 0 then
            data, take 0 data
        else
            let training, held = splitPlaces seed data.Count validation
            use training = training
            use held = held
            select training data, select held data

[<RequireQualifiedAccess>]
module Normalisation =

    /// Images to look at in one go: bounds the memory for the wide numbers.
    let private chunk = 1000

    /// Of all pixels of a set, to the eight digits in which such figures are published.
    let ofDataset (data: Dataset) : Normalisation =
        use _ = torch.NewDisposeScope()
        let channels = data.Pixels.shape[1]
        let sums = torch.zeros (channels, dtype = Nullable torch.ScalarType.Int64)
        let squares = torch.zeros (channels, dtype = Nullable torch.ScalarType.Int64)

        for start in 0..chunk .. data.Count - 1 do
            use _ = torch.NewDisposeScope()
            let count = min chunk (data.Count - start)

            let pixels =
                data.Pixels.narrow(0L, int64 start, int64 count).``to``(torch.CPU).``to`` torch.ScalarType.Int64

            sums.add_ (pixels.sum [| 0L; 2L; 3L |]) |> ignore
            squares.add_ (pixels.mul_(pixels).sum [| 0L; 2L; 3L |]) |> ignore

        let numbers = data.Pixels.numel () / channels
        let sums, squares = sums.data<int64>().ToArray(), squares.data<int64>().ToArray()
        let mean = sums |> Array.map (fun sum -> float sum / float numbers / 255.0)

        // In whole numbers, so that nothing is lost where the spread is small beside the mean.
        let std =
            (sums, squares)
            ||> Array.map2 (fun sum square ->
                let spread = bigint numbers * bigint square - bigint sum * bigint sum
                sqrt (float spread) / float numbers / 255.0)

        {
            Mean = mean |> Array.map (fun x -> Math.Round(x, 8))
            // A channel that never changes is left as it is.
            Std = std |> Array.map (fun x -> if x = 0.0 then 1.0 else Math.Round(x, 8))
        }

    /// Mean and deviation, `[1, C, 1, 1]` each, for pixels of a type on a device.
    let tensors (normalisation: Normalisation) (dtype: torch.ScalarType) (device: torch.Device) : Tensor * Tensor =
        let channel (values: float array) =
            use values = torch.tensor(values).view(1L, values.LongLength, 1L, 1L)
            values.``to`` (dtype, device)

        channel normalisation.Mean, channel normalisation.Std

    /// Bytes, as floats, to what the network reads: scaled by 255, then normalised.
    let apply (mean: Tensor, std: Tensor) (pixels: Tensor) = pixels.div_(scalar 255.0).sub_(mean).div_ std

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

        let gather (part: Tensor) = part.index_select(0L, places).``to``(device, non_blocking = true)

        let pixels = (gather feed.Data.Pixels).``to``(working feed.Placement)
        let normalised = Augment.apply feed.Augment generator pixels |> Normalisation.apply scale

        {
            Images = normalised.``to`` feed.Placement.DType |> Layout.apply feed.Placement.Layout |> outOfScope
            Labels = gather feed.Data.Labels |> outOfScope
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
        let device = data.Pixels.device

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
