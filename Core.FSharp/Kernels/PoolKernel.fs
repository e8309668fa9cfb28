namespace Hybrid

#nowarn "9" // Addresses of memory.

open System
open System.Runtime.InteropServices
open System.Runtime.Intrinsics
open FSharp.NativeInterop
open TorchSharp

/// Max pooling of maps that lie channels last. Where several pixels of a window are largest, the first has the
/// gradient, as in libtorch. It is found by comparing, so that no places are kept.
[<RequireQualifiedAccess>]
module internal PoolKernel =

    /// The pixels that a window covers along one side: from, and behind.
    let inline private covered (pool: Pool2d) place side =
        let start = place * pool.Stride - pool.Padding
        struct (max 0 start, min side (start + pool.Kernel))

    let private largestOf<'L when 'L: struct and 'L :> ILanes> (pool: Pool2d) (x: Rows) (y: Rows) =
        Team.parts y.Images (fun from behind _ ->
            let bytes = Lanes.bytes<'L>
            let channels, step, down = x.Channels, x.Stride, nativeint x.Width * x.Stride

            for image in from .. behind - 1 do
                for i in 0 .. y.Height - 1 do
                    let struct (top, bottom) = covered pool i x.Height

                    for j in 0 .. y.Width - 1 do
                        let struct (left, right) = covered pool j x.Width
                        let corner, out = Rows.pixel x image top left, Rows.pixel y image i j
                        let mutable place = 0

                        while place < channels do
                            let offset = nativeint (place * bytes)
                            let mutable best = Vector256.Create Single.NegativeInfinity
                            let mutable line = corner + offset

                            for _ in top .. bottom - 1 do
                                let mutable at = line

                                for _ in left .. right - 1 do
                                    best <- Vector256.Max(best, Lanes.load<'L> at)
                                    at <- at + step

                                line <- line + down

                            Lanes.store<'L> (out + offset) best
                            place <- place + Lanes.width<'L>)

    let private gradientOf<'L when 'L: struct and 'L :> ILanes>
        (pool: Pool2d)
        (dx: Rows)
        (dy: Rows)
        (x: Rows)
        (y: Rows)
        (others: Rows voption)
        =
        Team.parts y.Images (fun from behind _ ->
            let bytes = Lanes.bytes<'L>
            let channels, step, down = x.Channels, x.Stride, nativeint x.Width * x.Stride
            // One image's gradient in float32: a pixel lies in many windows.
            let sumStep = nativeint (4 * channels)
            let sumDown = nativeint x.Width * sumStep
            let size = unativeint (nativeint x.Height * sumDown + 32n)
            let sums = NativeMemory.Alloc size
            let sumsAt = NativePtr.toNativeInt (NativePtr.ofVoidPtr<float32> sums)

            for image in from .. behind - 1 do
                NativeMemory.Clear(sums, size)

                for i in 0 .. y.Height - 1 do
                    let struct (top, bottom) = covered pool i x.Height

                    for j in 0 .. y.Width - 1 do
                        let struct (left, right) = covered pool j x.Width

                        let corner, out, slope =
                            Rows.pixel x image top left, Rows.pixel y image i j, Rows.pixel dy image i j

                        let sumCorner = sumsAt + nativeint top * sumDown + nativeint left * sumStep
                        let mutable place = 0

                        while place < channels do
                            let offset = nativeint (place * bytes)
                            let best = Lanes.load<'L>(out + offset)
                            let mutable gradient = Lanes.load<'L>(slope + offset)
                            let mutable line = corner + offset
                            let mutable sumLine = sumCorner + nativeint (4 * place)

                            for _ in top .. bottom - 1 do
                                let mutable at = line
                                let mutable sum = sumLine

                                for _ in left .. right - 1 do
                                    let found = Vector256.Equals(Lanes.load<'L> at, best)
                                    Lanes.add<'L> sum (Vector256.BitwiseAnd(gradient, found))
                                    gradient <- Vector256.AndNot(gradient, found)
                                    at <- at + step
                                    sum <- sum + sumStep

                                line <- line + down
                                sumLine <- sumLine + sumDown

                            place <- place + Lanes.width<'L>

                for pixel in 0 .. x.Height * x.Width - 1 do
                    let h, w = pixel / x.Width, pixel % x.Width
                    let own, out = sumsAt + nativeint pixel * sumStep, Rows.pixel dx image h w
                    let mutable place = 0

                    while place < channels do
                        let offset = nativeint (place * bytes)
                        let sum = Lanes.at own place

                        let all =
                            match others with
                            | ValueSome others -> sum + Lanes.load<'L>(Rows.pixel others image h w + offset)
                            | ValueNone -> sum

                        Lanes.store<'L> (out + offset) all
                        place <- place + Lanes.width<'L>

            NativeMemory.Free sums)

    /// Writes `y`: of each window of `x` the largest number of each channel.
    let largest pool (x: Rows) (y: Rows) =
        Lanes.choose
            x.DType
            x.Channels
            {
                new ILanesWork<_> with
                    member _.On<'L when 'L: struct and 'L :> ILanes>() =
                        largestOf<'L> pool x y
                        y
            }
        |> ignore

    /// Writes `dx`: the gradient of what `largest` read, plus the sum of other readers' gradients. `dx` may be the memory of
    /// either: an image is written when it has been read.
    let gradient pool (dx: Rows) (dy: Rows) (x: Rows) (y: Rows) others =
        Lanes.choose
            x.DType
            x.Channels
            {
                new ILanesWork<_> with
                    member _.On<'L when 'L: struct and 'L :> ILanes>() =
                        gradientOf<'L> pool dx dy x y others
                        dx
            }
        |> ignore
