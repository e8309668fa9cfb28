namespace Hybrid

#nowarn "9" // Addresses of memory.

open System.Runtime.CompilerServices
open System.Runtime.InteropServices
open FSharp.NativeInterop
open TorchSharp

/// 3×3 convolutions of stride 1 and padding 1 with 16 multiplications for every four outputs where the definition has 36:
/// Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2016, F(2×2, 3×3). The map is cut into tiles of
/// 2×2 outputs, each from 4×4 inputs that overlap; what is a convolution of tiles becomes 16 products of matrices, tiles
/// by channels, one for each place in the transformed tile.
///
/// Of one tile d, one kernel g and one channel: y = Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A, where ⊙ multiplies place by place, with
/// Bᵀ = [1 0 −1 0; 0 1 1 0; 0 −1 1 0; 0 1 0 −1], G = ½ [2 0 0; 1 1 1; 1 −1 1; 0 0 2] and Aᵀ = [1 1 1 0; 0 1 −1 −1].
[<RequireQualifiedAccess>]
module internal Winograd =

    /// Tiles that are transformed and multiplied together, as many as `MatrixKernel` takes rows: what the sixteen products
    /// need stays in the cache.
    let private group = 16

    /// Kernels of more numbers than this outgrow the cache once they are transformed; then libtorch's way is faster.
    let private largest = 256 * 256

    /// Whether this processor is one that it is faster on.
    let isFast = Wide16.isFast

    /// Whether a convolution of so many input channels is one that is faster here.
    let supports (dtype: torch.ScalarType) (conv: Conv2d) inputs =
        isFast
        && dtype = torch.ScalarType.Float32
        // Whatever else a convolution may be set to.
        && conv = { Conv2d.square 3 conv.Channels with Bias = conv.Bias }
        && conv.Channels % Wide16.count = 0
        && inputs % Wide16.count = 0
        && inputs * conv.Channels <= largest

    /// Zeroed memory, aligned to vectors.
    let private allocate (size: nativeint) =
        let memory = NativeMemory.AlignedAlloc(unativeint size, 64un)
        NativeMemory.Clear(memory, unativeint size)
        NativePtr.toNativeInt (NativePtr.ofVoidPtr<float32> memory)

    let private free (memory: nativeint) = NativeMemory.AlignedFree(memory.ToPointer())

    let private tilesOf (map: Rows) = struct ((map.Height + 1) / 2, (map.Width + 1) / 2)

    /// Where the pixels of a window lie whose upper left corner is at `top`, `left`; `outside` for those outside the map.
    [<MethodImpl(MethodImplOptions.AggressiveOptimization)>]
    let private window (map: inref<Rows>) outside (corner: nativeint) top left side (pixels: nativeptr<nativeint>) =
        let across, height, width = map.Stride, map.Height, map.Width
        let down = nativeint width * across

        for i in 0 .. side - 1 do
            for j in 0 .. side - 1 do
                let h, w = top + i, left + j
                let inside = h >= 0 && h < height && w >= 0 && w < width
                let pixel = corner + nativeint i * down + nativeint j * across
                NativePtr.set pixels (side * i + j) (if inside then pixel else outside)

    /// Runs `body` for some tiles: with the tile's place among them, its image, and the row and the column of its first
    /// output.
    let inline private eachTile (map: Rows) first count ([<InlineIfLambda>] body: int -> int -> int -> int -> unit) =
        let struct (down, across) = tilesOf map
        let mutable image = first / (down * across)
        let mutable row = 2 * (first / across % down)
        let mutable column = 2 * (first % across)

        for place in 0 .. count - 1 do
            body place image row column
            column <- column + 2

            if column >= map.Width then
                column <- 0
                row <- row + 2

                if row >= map.Height then
                    row <- 0
                    image <- image + 1

    [<MethodImpl(MethodImplOptions.AggressiveOptimization)>]
    let private inputsOfGroup (x: Rows) zeros first count (into: nativeint) =
        let pixels = NativePtr.stackalloc<nativeint> 16
        let across, down = x.Stride, nativeint x.Width * x.Stride

        eachTile x first count (fun place image row column ->
            let corner = Rows.pixel x image row column - down - across
            let into = into + nativeint place * Tile.step x.Channels

            if row > 0 && column > 0 && row + 2 < x.Height && column + 2 < x.Width then
                Tile.inside corner across down x.Channels into
            else
                window &x zeros corner (row - 1) (column - 1) 4 pixels
                Tile.edge pixels down x.Channels into)

    [<MethodImpl(MethodImplOptions.AggressiveOptimization)>]
    let private gradientsOfGroup (dy: Rows) zeros first count (into: nativeint) =
        let pixels = NativePtr.stackalloc<nativeint> 4

        eachTile dy first count (fun place image row column ->
            window &dy zeros (Rows.pixel dy image row column) row column 2 pixels
            Tile.gradients pixels dy.Channels (into + nativeint place * Tile.step dy.Channels))

    [<MethodImpl(MethodImplOptions.AggressiveOptimization)>]
    let private outputsOfGroup (from: nativeint) bias (others: Rows voption) (y: Rows) first count =
        let pixels, added = NativePtr.stackalloc<nativeint> 4, NativePtr.stackalloc<nativeint> 4

        for place in 0..3 do
            NativePtr.set added place 0n

        eachTile y first count (fun place image row column ->
            window &y 0n (Rows.pixel y image row column) row column 2 pixels

            match others with
            | ValueSome others -> window &others 0n (Rows.pixel others image row column) row column 2 added
            | ValueNone -> ()

            Tile.products (from + nativeint place * Tile.step y.Channels) y.Channels bias added pixels)

    /// Runs `body` on the tiles of one group after the other, with the memory of the thread, of so many bytes.
    let private eachGroup (map: Rows) memory (size: nativeint) (body: nativeint -> int -> int -> unit) =
        let struct (down, across) = tilesOf map
        let tiles = map.Images * down * across

        Team.parts ((tiles + group - 1) / group) (fun from behind part ->
            for place in from .. behind - 1 do
                body (memory + nativeint part * size) (place * group) (min group (tiles - place * group)))

    let private run turned (x: Rows) (weight: nativeint) bias others (y: Rows) =
        let inputs, outputs = x.Channels, y.Channels
        let products = nativeint group * Tile.step inputs
        let zeros = products + nativeint group * Tile.step outputs
        let size = zeros + Tile.bytes inputs
        let step = Tile.bytes (inputs * outputs)
        let matrices = allocate (nativeint Tile.places * step)
        let memory = allocate (nativeint (torch.get_num_threads ()) * size)

        if turned then
            Tile.kernels true outputs inputs weight matrices
        else
            Tile.kernels false inputs outputs weight matrices

        eachGroup y memory size (fun own first count ->
            inputsOfGroup x (own + zeros) first count own

            for place in 0 .. Tile.places - 1 do
                let tiles = Matrix.rows (own + nativeint place * Tile.bytes inputs) (Tile.step inputs)
                let kernels = Matrix.rows (matrices + nativeint place * step) (Tile.bytes outputs)
                let results = Matrix.rows (own + products + nativeint place * Tile.bytes outputs) (Tile.step outputs)
                MatrixKernel.multiply tiles inputs kernels results outputs false

            outputsOfGroup (own + products) bias others y first count)

        free memory
        free matrices

    /// Writes `y`: the convolution of `x` with a weight `[outputs, inputs, 3, 3]` that lies channels last, and the bias
    /// where there is one.
    let convolve (x: Rows) weight bias (y: Rows) = run false x weight bias ValueNone y

    /// Writes `dx`: the gradient of what `convolve` read, plus the sum of other readers' gradients, which may be the same
    /// memory.
    let inputGradient (dy: Rows) weight (dx: Rows) (others: Rows voption) = run true dy weight 0n others dx

    /// Writes the gradient of the weight, as that lies.
    let weightGradient (x: Rows) (dy: Rows) (weight: nativeint) =
        let inputs, outputs = x.Channels, dy.Channels
        let gradients = nativeint group * Tile.step inputs
        let sums = gradients + nativeint group * Tile.step outputs
        let step = Tile.bytes (inputs * outputs)
        let zeros = sums + nativeint Tile.places * step
        let size = zeros + Tile.bytes (max inputs outputs)
        let threads = torch.get_num_threads ()
        let memory = allocate (nativeint threads * size)

        eachGroup dy memory size (fun own first count ->
            inputsOfGroup x (own + zeros) first count own
            gradientsOfGroup dy (own + zeros) first count (own + gradients)

            for place in 0 .. Tile.places - 1 do
                let slopes = Matrix.rows (own + gradients + nativeint place * Tile.bytes outputs) (Tile.step outputs)

                for input in 0 .. Wide16.count .. inputs - 1 do
                    let tiles = own + nativeint place * Tile.bytes inputs + Tile.bytes input
                    let sums = own + sums + nativeint place * step + Tile.bytes (input * outputs)
                    let sums = Matrix.rows sums (Tile.bytes outputs)
                    MatrixKernel.multiply (Matrix.columns tiles (Tile.step inputs)) count slopes sums outputs true)

        Tile.kernelGradient inputs outputs threads (memory + sums) size weight
        free memory
