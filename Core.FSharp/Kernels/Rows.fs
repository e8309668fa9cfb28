namespace Hybrid

open TorchSharp

/// The memory of a map `[N, C, H, W]`, channels last: a row of channels for each pixel.
[<Struct>]
type internal Rows = {
    Address: nativeint
    Count: int
    Height: int
    Width: int
    Channels: int
    /// Bytes from one row to the next.
    Stride: nativeint
    DType: torch.ScalarType
} with

    /// Of one number.
    member rows.Bytes = if rows.DType = torch.ScalarType.BFloat16 then 2 else 4

    member rows.Images = rows.Count / (rows.Height * rows.Width)

[<RequireQualifiedAccess>]
module internal Rows =

    /// Where a pixel's channels begin.
    let inline pixel (rows: Rows) image h w =
        rows.Address + nativeint ((image * rows.Height + h) * rows.Width + w) * rows.Stride

    /// A tensor's memory where it is channels last, also where it is a slice of another's channels. The tensor must
    /// outlive what is made of it.
    let tryOf (x: Tensor) : Rows voption =
        let size, stride = x.shape, x.stride ()

        let step =
            if size[3] > 1L then stride[3]
            elif size[2] > 1L then stride[2]
            else stride[0]

        let fits axis expected = size[axis] = 1L || stride[axis] = expected

        if
            x.numel () > 0L
            && fits 1 1L
            && fits 3 step
            && fits 2 (size[3] * step)
            && fits 0 (size[2] * size[3] * step)
        then
            use first = x.as_strided ([| 1L |], [| 1L |], x.storage_offset ())

            ValueSome {
                Address = Lanes.addressOf first
                Count = int (size[0] * size[2] * size[3])
                Height = int size[2]
                Width = int size[3]
                Channels = int size[1]
                Stride = nativeint (step * x.ElementSize)
                DType = x.dtype
            }
        else
            ValueNone

/// Maps of one size that are gone through together, up to four; what is not used is the first once more. Short rows
/// that lie one behind the other in all of them are one: as many as fill some vectors.
[<Struct>]
type internal Wide = { A: Rows; B: Rows; C: Rows; D: Rows; Count: int; Channels: int }

[<RequireQualifiedAccess>]
module internal Wide =

    let make (maps: Rows array) : Wide =
        let first = maps[0]

        if maps |> Array.exists (fun rows -> rows.DType <> first.DType || rows.Count <> first.Count) then
            invalidArg (nameof maps) "maps of one size and one precision"

        let dense = maps |> Array.forall (fun rows -> rows.Stride = nativeint (rows.Channels * rows.Bytes))

        let rec factor times =
            if first.Channels * times < 64 && first.Count % (2 * times) = 0 then
                factor (2 * times)
            else
                times

        let times = if dense then factor 1 else 1

        let map place =
            let rows = maps[if place < maps.Length then place else 0]
            { rows with Stride = rows.Stride * nativeint times }

        {
            A = map 0
            B = map 1
            C = map 2
            D = map 3
            Count = first.Count / times
            Channels = first.Channels * times
        }

    /// Chooses lanes for the maps together.
    let choose (wide: Wide) work = Lanes.choose wide.A.DType wide.Channels work
