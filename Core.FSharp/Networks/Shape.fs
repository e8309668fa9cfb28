namespace Hybrid

/// Shape of one example, without the batch dimension.
[<RequireQualifiedAccess>]
type Shape =
    /// A stack of feature maps; with the batch `[N, C, H, W]`.
    | Image of channels: int * height: int * width: int
    /// A plain vector; with the batch `[N, F]`.
    | Features of count: int

    override shape.ToString() =
        match shape with
        | Image(channels, height, width) -> $"{channels}×{height}×{width}"
        | Features count -> string count

[<RequireQualifiedAccess>]
module Shape =

    /// Dimensions in PyTorch's order, without the batch.
    let dims shape =
        match shape with
        | Shape.Image(channels, height, width) -> [ channels; height; width ]
        | Shape.Features count -> [ count ]

    /// Maps, or numbers of a vector: the dimension behind the batch.
    let channels shape =
        match shape with
        | Shape.Image(channels, _, _) -> channels
        | Shape.Features count -> count

    /// Product of some sides; the largest 64-bit number where it is larger still.
    let volume (sides: int64 seq) =
        let times product side =
            if side > 1L && product > System.Int64.MaxValue / side then
                System.Int64.MaxValue
            else
                product * side

        Seq.fold times 1L sides

    /// Numbers in one example.
    let elements shape = dims shape |> Seq.map int64 |> volume

    /// Length of one side after a window of `extent` pixels has slid over it, with so many pixels put in front of it and
    /// behind it, as PyTorch counts it; 0 where the window does not fit. With `ceiling` a last window that begins inside the
    /// side, or in front of it, counts as well.
    let slideBetween ceiling (extent: int64) stride (before: int, behind: int) side =
        let room = int64 side + int64 before + int64 behind - extent

        if room < 0L then
            0L
        else
            let whole = room / int64 stride + 1L
            let more = ceiling && room % int64 stride <> 0L && whole * int64 stride < int64 side + int64 before
            if more then whole + 1L else whole

    /// The same with as many pixels in front of the side as behind it.
    let slide ceiling extent stride padding side = slideBetween ceiling extent stride (padding, padding) side
