namespace Hybrid

open System
open TorchSharp

/// A random change of training images that leaves their class as it is.
[<RequireQualifiedAccess>]
type Augmentation =
    /// Mirrors left and right with this probability.
    | HorizontalFlip of probability: float
    /// A rectangle of a random share of the area and a random ratio of width to height, stretched to the image's size.
    | RandomResizedCrop of area: (float * float) * ratio: (float * float)

/// Augmentations on whole batches, in float and before normalisation.
[<RequireQualifiedAccess>]
module Augment =

    /// The tutorial's augmentation.
    let tutorial = [ Augmentation.HorizontalFlip 0.5; Augmentation.RandomResizedCrop((0.8, 1.0), (0.9, 1.1)) ]

    /// Augmentations by the names that `--augment` takes.
    let named: (string * Augmentation list) list = [ "tutorial", tutorial; "none", [] ]

    let private uniform (generator: torch.Generator) (low: float, high: float) (size: int64 array) =
        torch.empty(size, dtype = Nullable torch.ScalarType.Float64).uniform_(low, high, generator)

    let private flip probability (drawn: Tensor) (images: Tensor) =
        let flipped = drawn.view(-1L, 1L, 1L, 1L).lt(scalar probability)
        torch.where (flipped, images.flip 3L, images)

    /// How often a rectangle is drawn before the whole image is taken instead, as torchvision does.
    let private attempts = 10L

    /// Height, width, top and left of one rectangle an image, `[4, N]`: the first of some attempts that fits.
    let private rectangles (areaLow, areaHigh) (ratioLow: float, ratioHigh: float) generator count height width =
        let draws = [| attempts; count |]
        let area = (uniform generator (areaLow, areaHigh) draws).mul_(scalar (float (height * width)))
        let ratio = (uniform generator (log ratioLow, log ratioHigh) draws).exp_()
        let w = (area * ratio).sqrt_().round_()
        let h = (area / ratio).sqrt_().round_()

        let fits =
            [ w.le (scalar (float width)); h.le (scalar (float height)); w.ge (scalar 1.0); h.ge (scalar 1.0) ]
            |> List.reduce (fun all one -> all.logical_and one)

        let first = fits.``to``(torch.ScalarType.Int32).argmax(0L, true)
        let found = fits.any 0L

        /// Where no attempt fits: the largest rectangle of an allowed ratio, from the middle.
        let wholeHeight, wholeWidth =
            let ratio = float width / float height

            if ratio < ratioLow then round (float width / ratioLow), float width
            elif ratio > ratioHigh then float height, round (float height * ratioHigh)
            else float height, float width

        let pick (drawn: Tensor) (whole: float) =
            torch.where (found, drawn.gather(0L, first).squeeze 0L, torch.full_like (drawn.select (0L, 0L), whole))

        let h, w = pick h wholeHeight, pick w wholeWidth

        let place (side: int64) (length: Tensor) =
            let room = (length.neg ()).add_(scalar (float side))
            let anywhere = (uniform generator (0.0, 1.0) [| count |]).mul_(room.add (scalar 1.0)).floor_()
            torch.where (found, anywhere, room.div_(scalar 2.0).round_())

        let top = place height h
        torch.stack [| h; w; top; place width w |]

    /// Weights `[N, side, side]` that take each output row (or column) from the two nearest rows of a window:
    /// bilinear, half-pixel centres, nothing from outside the window.
    let private interpolation (side: int64) (start: Tensor) (length: Tensor) =
        let start, length = start.unsqueeze 1L, length.unsqueeze 1L
        let pixels = torch.arange (side, dtype = Nullable start.dtype, device = start.device)
        let half, one = scalar 0.5, scalar 1.0
        let centres = pixels.add(half).mul(length).div_(scalar (float side)).sub_ half
        let inside = torch.minimum(centres.clamp_min_ (scalar 0.0), length.sub one).add_ start
        (inside.unsqueeze 2L).sub(pixels).abs_().neg_().add_(one).clamp_min_(scalar 0.0)

    let private crop (drawn: Tensor) (images: Tensor) =
        let height, width = images.shape[2], images.shape[3]
        let row (index: int) = drawn.select (0L, int64 index)
        let onto (weights: Tensor) = weights.``to`` images.dtype
        let rows = (onto (interpolation height (row 2) (row 0))).unsqueeze 1L
        let columns = (onto (interpolation width (row 3) (row 1))).transpose(1L, 2L).unsqueeze 1L
        rows.matmul (images.matmul columns)

    /// The numbers of one augmentation for `[N, C, H, W]` images: rows `[R, N]`, drawn on the CPU in float64.
    let private draw (generator: torch.Generator) (size: int64 array) augmentation =
        match augmentation with
        | Augmentation.HorizontalFlip _ -> uniform generator (0.0, 1.0) [| 1L; size[0] |]
        | Augmentation.RandomResizedCrop(area, ratio) -> rectangles area ratio generator size[0] size[2] size[3]

    let private change augmentation drawn images =
        match augmentation with
        | Augmentation.HorizontalFlip probability -> flip probability drawn images
        | Augmentation.RandomResizedCrop _ -> crop drawn images

    /// Some numbers an image, from the CPU to the images' device, which the CPU does not wait for.
    let private near (images: Tensor) (numbers: Tensor) =
        let dtype =
            match images.device.``type`` with
            // Apple's GPUs have no float64.
            | DeviceType.MPS -> torch.ScalarType.Float32
            | _ -> numbers.dtype

        numbers.``to`` (dtype, images.device, non_blocking = true)

    /// Changes `images` `[N, C, H, W]` one augmentation after the other, on their device. What is random is drawn on
    /// the CPU, the same for every device, and goes over in one piece.
    let apply (augmentations: Augmentation list) generator (images: Tensor) =
        match augmentations |> List.map (draw generator images.shape) with
        | [] -> images
        | drawn ->
            let parts = drawn |> List.map (fun rows -> rows.shape[0]) |> Array.ofList
            let rows = (near images (torch.cat (Array.ofList drawn, 0L))).split(parts, 0L)

            (images, augmentations, List.ofArray rows)
            |||> List.fold2 (fun images augmentation drawn -> change augmentation drawn images)
