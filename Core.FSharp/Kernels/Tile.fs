namespace Hybrid

#nowarn "9" // Addresses of memory.

open System.Runtime.CompilerServices
open System.Runtime.Intrinsics
open FSharp.NativeInterop

/// What goes into the sixteen products of `Winograd`, and what comes out of them: one place of the transformed tile for
/// each. Rows and columns of a tile go through the same little matrices, which the paper calls B, A and G.
[<RequireQualifiedAccess>]
module internal Tile =

    /// Places of a transformed tile.
    let places = 16

    let bytes channels = nativeint (4 * channels)

    /// From one tile to the next in a group. A little more than the tile itself: the same place of all tiles would else
    /// compete for the same few lines of the cache.
    let step channels = nativeint (places + 1) * bytes channels

    let inline private ofInputs (a: Vector512<float32>) (b: Vector512<float32>) c d =
        struct (a - c, b + c, c - b, b - d)

    let inline private ofProducts (a: Vector512<float32>) (b: Vector512<float32>) c d = struct (a + b + c, b - c - d)

    /// `ofProducts` the other way round: from gradients of outputs.
    let inline private ofGradients (a: Vector512<float32>) (b: Vector512<float32>) = struct (a, a + b, a - b, -b)

    let inline private halved (a: Vector512<float32>) = Vector512.Create 0.5f * a

    let inline private ofKernel (a: Vector512<float32>) (b: Vector512<float32>) (c: Vector512<float32>) =
        let ends = a + c
        struct (a, halved (ends + b), halved (ends - b), c)

    /// `ofKernel` the other way round.
    let inline private toKernel (a: Vector512<float32>) (b: Vector512<float32>) (c: Vector512<float32>) d =
        let middle = halved (b + c)
        struct (a + middle, halved (b - c), middle + d)

    let inline private store4 at step struct (a, b, c, d) =
        Wide16.store at a
        Wide16.store (at + step) b
        Wide16.store (at + 2n * step) c
        Wide16.store (at + 3n * step) d

    /// A tile of inputs to one row of each of the 16 matrices. `pixel` says where a pixel lies; what is next to be read
    /// lies `down` bytes behind the last rows.
    let inline private inputs (down: nativeint) channels into ([<InlineIfLambda>] pixel: int -> int -> nativeint) =
        let step = bytes channels

        for channel in 0 .. Wide16.count .. channels - 1 do
            let offset = bytes channel
            let into = into + offset
            let inline at row column = Wide16.load (pixel row column + offset)
            Wide16.fetch (pixel 3 1 + offset + down)
            Wide16.fetch (pixel 3 2 + offset + down)
            Wide16.fetch (pixel 3 1 + offset + 2n * down)
            Wide16.fetch (pixel 3 2 + offset + 2n * down)
            let struct (a0, a1, a2, a3) = ofInputs (at 0 0) (at 1 0) (at 2 0) (at 3 0)
            let struct (b0, b1, b2, b3) = ofInputs (at 0 1) (at 1 1) (at 2 1) (at 3 1)
            let struct (c0, c1, c2, c3) = ofInputs (at 0 2) (at 1 2) (at 2 2) (at 3 2)
            let struct (d0, d1, d2, d3) = ofInputs (at 0 3) (at 1 3) (at 2 3) (at 3 3)
            store4 into step (ofInputs a0 b0 c0 d0)
            store4 (into + 4n * step) step (ofInputs a1 b1 c1 d1)
            store4 (into + 8n * step) step (ofInputs a2 b2 c2 d2)
            store4 (into + 12n * step) step (ofInputs a3 b3 c3 d3)

    [<MethodImpl(MethodImplOptions.AggressiveOptimization)>]
    let inside (corner: nativeint) across down channels (into: nativeint) =
        inputs down channels into (fun row column -> corner + nativeint row * down + nativeint column * across)

    [<MethodImpl(MethodImplOptions.AggressiveOptimization)>]
    let edge (pixels: nativeptr<nativeint>) down channels (into: nativeint) =
        inputs down channels into (fun row column -> NativePtr.get pixels (4 * row + column))

    /// The gradients of a tile's four outputs, likewise.
    [<MethodImpl(MethodImplOptions.AggressiveOptimization)>]
    let gradients (pixels: nativeptr<nativeint>) channels (into: nativeint) =
        let step = bytes channels

        for channel in 0 .. Wide16.count .. channels - 1 do
            let offset = bytes channel
            let inline pixel place = Wide16.load (NativePtr.get pixels place + offset)
            let struct (a0, a1, a2, a3) = ofGradients (pixel 0) (pixel 2)
            let struct (b0, b1, b2, b3) = ofGradients (pixel 1) (pixel 3)
            store4 (into + offset) step (ofGradients a0 b0)
            store4 (into + offset + 4n * step) step (ofGradients a1 b1)
            store4 (into + offset + 8n * step) step (ofGradients a2 b2)
            store4 (into + offset + 12n * step) step (ofGradients a3 b3)

    /// A row of each of the 16 products to a tile's outputs, with the bias where there is one, and to what others have
    /// found at the same pixels. A pixel outside the map lies nowhere.
    [<MethodImpl(MethodImplOptions.AggressiveOptimization)>]
    let products (from: nativeint) channels bias (others: nativeptr<nativeint>) (pixels: nativeptr<nativeint>) =
        let step = bytes channels

        for channel in 0 .. Wide16.count .. channels - 1 do
            let offset = bytes channel
            let inline product place = Wide16.load (from + offset + nativeint (place: int) * step)
            let struct (a0, a1) = ofProducts (product 0) (product 4) (product 8) (product 12)
            let struct (b0, b1) = ofProducts (product 1) (product 5) (product 9) (product 13)
            let struct (c0, c1) = ofProducts (product 2) (product 6) (product 10) (product 14)
            let struct (d0, d1) = ofProducts (product 3) (product 7) (product 11) (product 15)
            let struct (y0, y1) = ofProducts a0 b0 c0 d0
            let struct (y2, y3) = ofProducts a1 b1 c1 d1
            let bias = if bias = 0n then Vector512<float32>.Zero else Wide16.load (bias + offset)

            let inline put place (y: Vector512<float32>) =
                let pixel, other = NativePtr.get pixels place, NativePtr.get others place

                if pixel <> 0n then
                    let y = y + bias
                    Wide16.store (pixel + offset) (if other = 0n then y else y + Wide16.load (other + offset))

            put 0 y0
            put 1 y1
            put 2 y2
            put 3 y3

    /// A weight `[outputs, inputs, 3, 3]`, channels last, transformed: matrices of inputs by outputs, or for the gradient of
    /// the input, which is a convolution with the kernels turned around, of outputs by inputs.
    [<MethodImpl(MethodImplOptions.AggressiveOptimization)>]
    let kernels turned inputs outputs (weight: nativeint) (into: nativeint) =
        let columns = if turned then inputs else outputs
        let step = bytes (inputs * outputs)
        let tile = NativePtr.stackalloc<float32>(places * Wide16.count)
        let tileAt = NativePtr.toNativeInt tile

        for output in 0 .. outputs - 1 do
            for input in 0 .. Wide16.count .. inputs - 1 do
                let inline tap place =
                    let place = if turned then 8 - place else place
                    Wide16.load (weight + bytes ((9 * output + place) * inputs + input))

                let struct (a0, a1, a2, a3) = ofKernel (tap 0) (tap 3) (tap 6)
                let struct (b0, b1, b2, b3) = ofKernel (tap 1) (tap 4) (tap 7)
                let struct (c0, c1, c2, c3) = ofKernel (tap 2) (tap 5) (tap 8)

                let inline put at step =
                    store4 at step (ofKernel a0 b0 c0)
                    store4 (at + 4n * step) step (ofKernel a1 b1 c1)
                    store4 (at + 8n * step) step (ofKernel a2 b2 c2)
                    store4 (at + 12n * step) step (ofKernel a3 b3 c3)

                if turned then
                    put (into + bytes (output * columns + input)) step
                else
                    put tileAt (bytes Wide16.count)

                    for place in 0 .. places - 1 do
                        let matrix = into + nativeint place * step

                        for lane in 0 .. Wide16.count - 1 do
                            NativePtr.write
                                (NativePtr.ofNativeInt (matrix + bytes ((input + lane) * columns + output)))
                                (NativePtr.get tile (place * Wide16.count + lane))

    /// The gradient of such a weight, from the sums of the products of inputs and gradients: those of each thread lie `next`
    /// bytes apart.
    [<MethodImpl(MethodImplOptions.AggressiveOptimization)>]
    let kernelGradient inputs outputs threads (sums: nativeint) (next: nativeint) (weight: nativeint) =
        let step = bytes (inputs * outputs)

        for input in 0 .. inputs - 1 do
            for output in 0 .. Wide16.count .. outputs - 1 do
                let inline sum place =
                    let at = sums + nativeint (place: int) * step + bytes (input * outputs + output)
                    let mutable all = Wide16.load at

                    for thread in 1 .. threads - 1 do
                        all <- all + Wide16.load (at + nativeint thread * next)

                    all

                let struct (a0, a1, a2) = toKernel (sum 0) (sum 4) (sum 8) (sum 12)
                let struct (b0, b1, b2) = toKernel (sum 1) (sum 5) (sum 9) (sum 13)
                let struct (c0, c1, c2) = toKernel (sum 2) (sum 6) (sum 10) (sum 14)
                let struct (d0, d1, d2) = toKernel (sum 3) (sum 7) (sum 11) (sum 15)

                let inline put row struct (a: Vector512<float32>, b: Vector512<float32>, c: Vector512<float32>) =
                    for lane in 0 .. Wide16.count - 1 do
                        let tap column =
                            NativePtr.ofNativeInt<float32>(
                                weight + bytes ((9 * (output + lane) + 3 * row + column) * inputs + input)
                            )

                        NativePtr.write (tap 0) (a.GetElement lane)
                        NativePtr.write (tap 1) (b.GetElement lane)
                        NativePtr.write (tap 2) (c.GetElement lane)

                put 0 (toKernel a0 b0 c0 d0)
                put 1 (toKernel a1 b1 c1 d1)
                put 2 (toKernel a2 b2 c2 d2)
