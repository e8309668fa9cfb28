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

    /// How many images.
    member data.Count = int data.Pixels.shape[0]

    /// Shape of one image.
    member data.Shape =
        let size = data.Pixels.shape
        Shape.Image(int size[1], int size[2], int size[3])

    interface IDisposable with
        member data.Dispose() =
            data.Pixels.Dispose()
            data.Labels.Dispose()

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
