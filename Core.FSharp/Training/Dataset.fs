namespace Hybrid

open System
open TorchSharp

/// A labelled set of images of one size, held as bytes. Sets that are parts of one another share their pixels, and differ
/// in which of them they have and in which order.
type Dataset = {
    /// `[M, H, W, C]`, uint8, contiguous: the images of this set and of those that it is a part of. May be a file that is
    /// mapped into memory.
    Pixels: Tensor
    /// `[N]`, int64: where each image of this set lies in `Pixels`.
    Places: Tensor
    /// `[N]`, int64.
    Labels: Tensor
    /// Names in the order of the labels.
    Classes: string array
} with

    /// How many images.
    member data.Count = int data.Places.shape[0]

    /// Shape of one image.
    member data.Shape =
        let size = data.Pixels.shape
        Shape.Image(int size[3], int size[1], int size[2])

    interface IDisposable with
        member data.Dispose() =
            data.Pixels.Dispose()
            data.Places.Dispose()
            data.Labels.Dispose()

[<RequireQualifiedAccess>]
module Dataset =

    /// All of some images, `[N, H, W, C]` of uint8, contiguous, in their order. The tensor is the set's from now on.
    let ofPixels (pixels: Tensor) (labels: int64 array) (classes: string array) : Dataset = {
        Pixels = pixels.DetachFromDisposeScope()
        Places = torch.arange(labels.LongLength).DetachFromDisposeScope()
        Labels = torch.tensor(labels).DetachFromDisposeScope()
        Classes = classes
    }

    /// Bytes in channels-last order, `[N, H, W, 3]`, as image decoders give them. They are not copied: to write to them
    /// is to change the set.
    let ofBytes (images: byte array) (labels: int64 array) height width (classes: string array) : Dataset =
        // An empty array has no place in memory.
        use bytes =
            if images.Length = 0 then
                torch.tensor images
            else
                torch.frombuffer (images, torch.ScalarType.Byte)

        ofPixels (bytes.view (labels.LongLength, int64 height, int64 width, 3L)) labels classes

    /// The pixels `[N, C, H, W]`, uint8, of the images at some places of the set `[N]`.
    let pixelsAt (places: Tensor) (data: Dataset) : Tensor =
        use _ = torch.NewDisposeScope()
        let stored = data.Places.index_select (0L, places)
        let pixels = data.Pixels.index_select (0L, stored)
        pixels.permute(0L, 3L, 1L, 2L).contiguous().MoveToOuterDisposeScope()

    /// Bytes of pixels to look at in one go.
    let private chunk = 1L <<< 22

    /// The pixels `[n, C, H, W]`, uint8, of all images in their order, some megabytes at a time, or one image.
    let chunks (data: Dataset) : Tensor seq =
        seq {
            let count = int (max 1L (chunk / max 1L (Shape.elements data.Shape)))

            for start in 0..count .. data.Count - 1 do
                use places =
                    torch.arange (
                        int64 start,
                        int64 (min (start + count) data.Count),
                        dtype = Nullable torch.ScalarType.Int64,
                        device = data.Places.device
                    )

                use pixels = pixelsAt places data
                yield pixels
        }

    /// Pixels `[N, C, H, W]` as bytes in channels-last order.
    let toBytes (pixels: Tensor) : byte array =
        use _ = torch.NewDisposeScope()
        pixels.permute(0L, 2L, 3L, 1L).contiguous().cpu().data<byte>().ToArray()

    /// The same images on another device, without those that are not of this set.
    let onto (device: torch.Device) (data: Dataset) : Dataset =
        use own = data.Pixels.index_select (0L, data.Places)

        {
            data with
                Pixels = own.``to`` device
                Places = torch.arange (int64 data.Count, device = device)
                Labels = data.Labels.``to`` device
        }

    /// What a set may take of the memory that is free on the network's device.
    let private share = 0.25

    /// Free memory of a device that does not say how much it has: no GPU that one trains on has less.
    let private unknownFree = 4L <<< 30

    /// Whether a set may lie on a device where so many bytes are free.
    let fits (free: int64 Nullable) (data: Dataset) =
        let free = if free.HasValue then free.Value else unknownFree
        let image = Shape.elements data.Shape
        float image * float data.Count <= share * float free

    /// The images at some places, in that order; the pixels are shared.
    let select (places: Tensor) (data: Dataset) : Dataset = {
        data with
            Pixels = data.Pixels.alias ()
            Places = data.Places.index_select (0L, places)
            Labels = data.Labels.index_select (0L, places)
    }

    /// The images at some places as bytes `[N, H, W, C]`, in that order.
    let bytesAt (places: int array) (data: Dataset) : byte array =
        use _ = torch.NewDisposeScope()
        toBytes (pixelsAt (torch.tensor (Array.map int64 places, device = data.Places.device)) data)

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

        {
            Pixels = data.Pixels.alias ()
            Places = data.Places.alias ()
            Labels = torch.tensor (labels, device = data.Labels.device)
            Classes = classes
        }

    /// The first `count` images, or all where there are fewer; the pixels are shared.
    let take count (data: Dataset) : Dataset =
        let count = int64 (min count data.Count)

        {
            data with
                Pixels = data.Pixels.alias ()
                Places = data.Places.narrow(0L, 0L, count).clone()
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
            take data.Count data, take 0 data
        else
            let training, held = splitPlaces seed data.Count validation
            use training = training
            use held = held
            select training data, select held data
