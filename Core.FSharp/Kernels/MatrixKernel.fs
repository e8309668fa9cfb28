namespace Hybrid

#nowarn "9" // Addresses of memory.

open System.Runtime.CompilerServices
open System.Runtime.Intrinsics
open System.Runtime.Intrinsics.X86
open FSharp.NativeInterop

/// Sixteen float32 numbers at an address.
module internal Wide16 =

    let count = 16

    /// Whether the processor works on as many at once.
    let isFast = Vector512.IsHardwareAccelerated

    let inline load (address: nativeint) = Vector512.Load(NativePtr.ofNativeInt<float32> address)

    let inline store (address: nativeint) (numbers: Vector512<float32>) =
        Vector512.Store(numbers, NativePtr.ofNativeInt<float32> address)

    /// Asks for what lies there, which will be read soon.
    let inline fetch (address: nativeint) =
        if Sse.IsSupported then
            Sse.Prefetch0(address.ToPointer())

    /// One number, sixteen times.
    let inline spread (address: nativeint) = Vector512.Create(NativePtr.read (NativePtr.ofNativeInt<float32> address))

/// Float32 numbers in rows: the bytes from one row to the next, and from one number of a row to the next.
[<Struct>]
type internal Matrix = { At: nativeint; Down: nativeint; Across: nativeint }

[<RequireQualifiedAccess>]
module internal Matrix =

    let rows at down : Matrix = { At = at; Down = down; Across = 4n }

    /// The same memory, rows as columns.
    let columns at across : Matrix = { At = at; Down = 4n; Across = across }

/// Products of small float32 matrices: c[i, j] = Σₖ a[i, k] · b[k, j]. All sums of a piece of the result are in registers, as many as the processor can
/// work on while it waits for none.
[<RequireQualifiedAccess>]
module internal MatrixKernel =

    // Below, `row` and `step` are the bytes from one row of the left matrix to the next and from one of its numbers to the
    // next, `next` and `below` those from one row of the right matrix and of the result to the next.

    /// Eight rows by 32 columns.
    [<MethodImpl(MethodImplOptions.AggressiveOptimization)>]
    let private rows8 (a: nativeint) row step depth (b: nativeint) (next: nativeint) (c: nativeint) below more =
        let a0 = a + 0n * row
        let a1 = a + 1n * row
        let a2 = a + 2n * row
        let a3 = a + 3n * row
        let a4 = a + 4n * row
        let a5 = a + 5n * row
        let a6 = a + 6n * row
        let a7 = a + 7n * row
        let mutable c00 = if more then Wide16.load (c + 0n * below) else Vector512<float32>.Zero
        let mutable c01 = if more then Wide16.load (c + 0n * below + 64n) else Vector512<float32>.Zero
        let mutable c10 = if more then Wide16.load (c + 1n * below) else Vector512<float32>.Zero
        let mutable c11 = if more then Wide16.load (c + 1n * below + 64n) else Vector512<float32>.Zero
        let mutable c20 = if more then Wide16.load (c + 2n * below) else Vector512<float32>.Zero
        let mutable c21 = if more then Wide16.load (c + 2n * below + 64n) else Vector512<float32>.Zero
        let mutable c30 = if more then Wide16.load (c + 3n * below) else Vector512<float32>.Zero
        let mutable c31 = if more then Wide16.load (c + 3n * below + 64n) else Vector512<float32>.Zero
        let mutable c40 = if more then Wide16.load (c + 4n * below) else Vector512<float32>.Zero
        let mutable c41 = if more then Wide16.load (c + 4n * below + 64n) else Vector512<float32>.Zero
        let mutable c50 = if more then Wide16.load (c + 5n * below) else Vector512<float32>.Zero
        let mutable c51 = if more then Wide16.load (c + 5n * below + 64n) else Vector512<float32>.Zero
        let mutable c60 = if more then Wide16.load (c + 6n * below) else Vector512<float32>.Zero
        let mutable c61 = if more then Wide16.load (c + 6n * below + 64n) else Vector512<float32>.Zero
        let mutable c70 = if more then Wide16.load (c + 7n * below) else Vector512<float32>.Zero
        let mutable c71 = if more then Wide16.load (c + 7n * below + 64n) else Vector512<float32>.Zero
        let behind = nativeint (depth: int) * step
        let mutable at = 0n
        let mutable b = b

        while at < behind do
            let b0 = Wide16.load b
            let b1 = Wide16.load (b + 64n)
            let x = Wide16.spread (a0 + at)
            c00 <- Vector512.FusedMultiplyAdd(x, b0, c00)
            c01 <- Vector512.FusedMultiplyAdd(x, b1, c01)
            let x = Wide16.spread (a1 + at)
            c10 <- Vector512.FusedMultiplyAdd(x, b0, c10)
            c11 <- Vector512.FusedMultiplyAdd(x, b1, c11)
            let x = Wide16.spread (a2 + at)
            c20 <- Vector512.FusedMultiplyAdd(x, b0, c20)
            c21 <- Vector512.FusedMultiplyAdd(x, b1, c21)
            let x = Wide16.spread (a3 + at)
            c30 <- Vector512.FusedMultiplyAdd(x, b0, c30)
            c31 <- Vector512.FusedMultiplyAdd(x, b1, c31)
            let x = Wide16.spread (a4 + at)
            c40 <- Vector512.FusedMultiplyAdd(x, b0, c40)
            c41 <- Vector512.FusedMultiplyAdd(x, b1, c41)
            let x = Wide16.spread (a5 + at)
            c50 <- Vector512.FusedMultiplyAdd(x, b0, c50)
            c51 <- Vector512.FusedMultiplyAdd(x, b1, c51)
            let x = Wide16.spread (a6 + at)
            c60 <- Vector512.FusedMultiplyAdd(x, b0, c60)
            c61 <- Vector512.FusedMultiplyAdd(x, b1, c61)
            let x = Wide16.spread (a7 + at)
            c70 <- Vector512.FusedMultiplyAdd(x, b0, c70)
            c71 <- Vector512.FusedMultiplyAdd(x, b1, c71)
            at <- at + step
            b <- b + next

        Wide16.store (c + 0n * below) c00
        Wide16.store (c + 0n * below + 64n) c01
        Wide16.store (c + 1n * below) c10
        Wide16.store (c + 1n * below + 64n) c11
        Wide16.store (c + 2n * below) c20
        Wide16.store (c + 2n * below + 64n) c21
        Wide16.store (c + 3n * below) c30
        Wide16.store (c + 3n * below + 64n) c31
        Wide16.store (c + 4n * below) c40
        Wide16.store (c + 4n * below + 64n) c41
        Wide16.store (c + 5n * below) c50
        Wide16.store (c + 5n * below + 64n) c51
        Wide16.store (c + 6n * below) c60
        Wide16.store (c + 6n * below + 64n) c61
        Wide16.store (c + 7n * below) c70
        Wide16.store (c + 7n * below + 64n) c71

    /// Sixteen rows by 16 columns.
    [<MethodImpl(MethodImplOptions.AggressiveOptimization)>]
    let private rows16 (a: nativeint) row step depth (b: nativeint) (next: nativeint) (c: nativeint) below more =
        let a0 = a + 0n * row
        let a1 = a + 1n * row
        let a2 = a + 2n * row
        let a3 = a + 3n * row
        let a4 = a + 4n * row
        let a5 = a + 5n * row
        let a6 = a + 6n * row
        let a7 = a + 7n * row
        let mutable c0 = if more then Wide16.load (c + 0n * below) else Vector512<float32>.Zero
        let mutable c1 = if more then Wide16.load (c + 1n * below) else Vector512<float32>.Zero
        let mutable c2 = if more then Wide16.load (c + 2n * below) else Vector512<float32>.Zero
        let mutable c3 = if more then Wide16.load (c + 3n * below) else Vector512<float32>.Zero
        let mutable c4 = if more then Wide16.load (c + 4n * below) else Vector512<float32>.Zero
        let mutable c5 = if more then Wide16.load (c + 5n * below) else Vector512<float32>.Zero
        let mutable c6 = if more then Wide16.load (c + 6n * below) else Vector512<float32>.Zero
        let mutable c7 = if more then Wide16.load (c + 7n * below) else Vector512<float32>.Zero
        let mutable c8 = if more then Wide16.load (c + 8n * below) else Vector512<float32>.Zero
        let mutable c9 = if more then Wide16.load (c + 9n * below) else Vector512<float32>.Zero
        let mutable c10 = if more then Wide16.load (c + 10n * below) else Vector512<float32>.Zero
        let mutable c11 = if more then Wide16.load (c + 11n * below) else Vector512<float32>.Zero
        let mutable c12 = if more then Wide16.load (c + 12n * below) else Vector512<float32>.Zero
        let mutable c13 = if more then Wide16.load (c + 13n * below) else Vector512<float32>.Zero
        let mutable c14 = if more then Wide16.load (c + 14n * below) else Vector512<float32>.Zero
        let mutable c15 = if more then Wide16.load (c + 15n * below) else Vector512<float32>.Zero
        let behind = nativeint (depth: int) * step
        let mutable at = 0n
        let mutable lower = 8n * row
        let mutable b = b

        while at < behind do
            let b0 = Wide16.load b
            c0 <- Vector512.FusedMultiplyAdd(Wide16.spread (a0 + at), b0, c0)
            c1 <- Vector512.FusedMultiplyAdd(Wide16.spread (a1 + at), b0, c1)
            c2 <- Vector512.FusedMultiplyAdd(Wide16.spread (a2 + at), b0, c2)
            c3 <- Vector512.FusedMultiplyAdd(Wide16.spread (a3 + at), b0, c3)
            c4 <- Vector512.FusedMultiplyAdd(Wide16.spread (a4 + at), b0, c4)
            c5 <- Vector512.FusedMultiplyAdd(Wide16.spread (a5 + at), b0, c5)
            c6 <- Vector512.FusedMultiplyAdd(Wide16.spread (a6 + at), b0, c6)
            c7 <- Vector512.FusedMultiplyAdd(Wide16.spread (a7 + at), b0, c7)
            c8 <- Vector512.FusedMultiplyAdd(Wide16.spread (a0 + lower), b0, c8)
            c9 <- Vector512.FusedMultiplyAdd(Wide16.spread (a1 + lower), b0, c9)
            c10 <- Vector512.FusedMultiplyAdd(Wide16.spread (a2 + lower), b0, c10)
            c11 <- Vector512.FusedMultiplyAdd(Wide16.spread (a3 + lower), b0, c11)
            c12 <- Vector512.FusedMultiplyAdd(Wide16.spread (a4 + lower), b0, c12)
            c13 <- Vector512.FusedMultiplyAdd(Wide16.spread (a5 + lower), b0, c13)
            c14 <- Vector512.FusedMultiplyAdd(Wide16.spread (a6 + lower), b0, c14)
            c15 <- Vector512.FusedMultiplyAdd(Wide16.spread (a7 + lower), b0, c15)
            at <- at + step
            lower <- lower + step
            b <- b + next

        Wide16.store (c + 0n * below) c0
        Wide16.store (c + 1n * below) c1
        Wide16.store (c + 2n * below) c2
        Wide16.store (c + 3n * below) c3
        Wide16.store (c + 4n * below) c4
        Wide16.store (c + 5n * below) c5
        Wide16.store (c + 6n * below) c6
        Wide16.store (c + 7n * below) c7
        Wide16.store (c + 8n * below) c8
        Wide16.store (c + 9n * below) c9
        Wide16.store (c + 10n * below) c10
        Wide16.store (c + 11n * below) c11
        Wide16.store (c + 12n * below) c12
        Wide16.store (c + 13n * below) c13
        Wide16.store (c + 14n * below) c14
        Wide16.store (c + 15n * below) c15

    /// Writes sixteen rows of `c`, or adds to them where there is `more` than this product: `a`, whose rows have `depth`
    /// numbers, times `b`, of which a multiple of 16 `columns`. Rows of `b` and `c` lie number by number.
    [<MethodImpl(MethodImplOptions.AggressiveOptimization)>]
    let multiply (a: Matrix) depth (b: Matrix) (c: Matrix) columns more =
        let mutable column = 0

        while column + 32 <= columns do
            let across = nativeint (4 * column)
            let second = a.At + 8n * a.Down
            rows8 a.At a.Down a.Across depth (b.At + across) b.Down (c.At + across) c.Down more
            rows8 second a.Down a.Across depth (b.At + across) b.Down (c.At + across + 8n * c.Down) c.Down more
            column <- column + 32

        if column < columns then
            let across = nativeint (4 * column)
            rows16 a.At a.Down a.Across depth (b.At + across) b.Down (c.At + across) c.Down more
