namespace Hybrid

open System
open System.Runtime.Intrinsics
open TorchSharp

/// Passes over maps in memory, row by row, on all threads.
[<RequireQualifiedAccess>]
module internal Passes =

    /// Rows that are added up in float32 before their sums go into float64.
    let run = 512

    let fold channels wide (parts: float array array) =
        let sums = Array.zeroCreate<float> channels

        for part in parts do
            for place in 0 .. wide - 1 do
                sums[place % channels] <- sums[place % channels] + part[place]

        sums

    /// Two sums per channel of the pairs that `next a b c d place` makes of what lies at four places in memory: the
    /// channels from `place` on. Added up in float32, over some rows from `row` on, into `firstAt` and `secondAt`.
    let inline addRows<'L when 'L: struct and 'L :> ILanes>
        (wide: Wide)
        row
        stop
        firstAt
        secondAt
        ([<InlineIfLambda>] next:
            nativeint -> nativeint -> nativeint -> nativeint -> int -> struct (Vector256<float32> * Vector256<float32>))
        =
        let channels, step = wide.Channels, nativeint (Lanes.width<'L> * Lanes.bytes<'L>)
        let aStep, bStep, cStep, dStep = wide.A.Stride, wide.B.Stride, wide.C.Stride, wide.D.Stride
        let mutable a = wide.A.Address + nativeint row * aStep
        let mutable b = wide.B.Address + nativeint row * bStep
        let mutable c = wide.C.Address + nativeint row * cStep
        let mutable d = wide.D.Address + nativeint row * dStep
        let mutable row = row

        // Two rows at a time: half as much to do for the sums.
        while row + 2 <= stop do
            let mutable place = 0
            let mutable offset = 0n

            while place < channels do
                let struct (x1, y1) = next (a + offset) (b + offset) (c + offset) (d + offset) place

                let struct (x2, y2) =
                    next (a + aStep + offset) (b + bStep + offset) (c + cStep + offset) (d + dStep + offset) place

                Lanes.add<'L> (firstAt + nativeint (4 * place)) (x1 + x2)
                Lanes.add<'L> (secondAt + nativeint (4 * place)) (y1 + y2)
                place <- place + Lanes.width<'L>
                offset <- offset + step

            a <- a + 2n * aStep
            b <- b + 2n * bStep
            c <- c + 2n * cStep
            d <- d + 2n * dStep
            row <- row + 2

        if row < stop then
            let mutable place = 0
            let mutable offset = 0n

            while place < channels do
                let struct (x, y) = next (a + offset) (b + offset) (c + offset) (d + offset) place
                Lanes.add<'L> (firstAt + nativeint (4 * place)) x
                Lanes.add<'L> (secondAt + nativeint (4 * place)) y
                place <- place + Lanes.width<'L>
                offset <- offset + step

    /// The same for rows of a few vectors: these are gone through one below the other, with their sums in registers.
    let inline addColumns<'L when 'L: struct and 'L :> ILanes>
        (wide: Wide)
        row
        stop
        firstAt
        secondAt
        ([<InlineIfLambda>] next:
            nativeint -> nativeint -> nativeint -> nativeint -> int -> struct (Vector256<float32> * Vector256<float32>))
        =
        let aStep, bStep, cStep, dStep = wide.A.Stride, wide.B.Stride, wide.C.Stride, wide.D.Stride
        let mutable place = 0

        while place < wide.Channels do
            let offset = nativeint (place * Lanes.bytes<'L>)
            let mutable a = wide.A.Address + nativeint row * aStep + offset
            let mutable b = wide.B.Address + nativeint row * bStep + offset
            let mutable c = wide.C.Address + nativeint row * cStep + offset
            let mutable d = wide.D.Address + nativeint row * dStep + offset
            let mutable x1 = Vector256<float32>.Zero
            let mutable y1 = Vector256<float32>.Zero
            let mutable x2 = Vector256<float32>.Zero
            let mutable y2 = Vector256<float32>.Zero
            let mutable row = row

            // Two sums of each, so that an addition need not wait for the one before it.
            while row + 2 <= stop do
                let struct (x, y) = next a b c d place
                x1 <- x1 + x
                y1 <- y1 + y
                let struct (x, y) = next (a + aStep) (b + bStep) (c + cStep) (d + dStep) place
                x2 <- x2 + x
                y2 <- y2 + y
                a <- a + 2n * aStep
                b <- b + 2n * bStep
                c <- c + 2n * cStep
                d <- d + 2n * dStep
                row <- row + 2

            if row < stop then
                let struct (x, y) = next a b c d place
                x1 <- x1 + x
                y1 <- y1 + y

            Lanes.add<'L> (firstAt + nativeint (4 * place)) (x1 + x2)
            Lanes.add<'L> (secondAt + nativeint (4 * place)) (y1 + y2)
            place <- place + Lanes.width<'L>

    /// Two sums per channel over all rows.
    let inline sums<'L when 'L: struct and 'L :> ILanes>
        channels
        (wide: Wide)
        ([<InlineIfLambda>] next:
            nativeint -> nativeint -> nativeint -> nativeint -> int -> struct (Vector256<float32> * Vector256<float32>))
        =
        let parts = max 1 (torch.get_num_threads ())
        let empty () = Array.init parts (fun _ -> Array.zeroCreate<float> wide.Channels)
        let firsts, seconds = empty (), empty ()

        Team.parts wide.Count (fun from behind part ->
            let first, firstAt = Lanes.pinned wide.Channels
            let second, secondAt = Lanes.pinned wide.Channels

            for row in from..run .. behind - 1 do
                let stop = min behind (row + run)

                if wide.Channels <= 4 * Lanes.width<'L> then
                    addColumns<'L> wide row stop firstAt secondAt next
                else
                    addRows<'L> wide row stop firstAt secondAt next

                for place in 0 .. wide.Channels - 1 do
                    firsts[part][place] <- firsts[part][place] + float first[place]
                    seconds[part][place] <- seconds[part][place] + float second[place]

                Array.Clear first
                Array.Clear second

            GC.KeepAlive((first, second)))

        fold channels wide.Channels firsts, fold channels wide.Channels seconds

    /// Runs `body a b c d place` over all rows.
    let inline each<'L when 'L: struct and 'L :> ILanes>
        (wide: Wide)
        ([<InlineIfLambda>] body: nativeint -> nativeint -> nativeint -> nativeint -> int -> unit)
        =
        Team.parts wide.Count (fun from behind _ ->
            let channels, step = wide.Channels, nativeint (Lanes.width<'L> * Lanes.bytes<'L>)
            let aStep, bStep, cStep, dStep = wide.A.Stride, wide.B.Stride, wide.C.Stride, wide.D.Stride
            let mutable a = wide.A.Address + nativeint from * aStep
            let mutable b = wide.B.Address + nativeint from * bStep
            let mutable c = wide.C.Address + nativeint from * cStep
            let mutable d = wide.D.Address + nativeint from * dStep

            for _ in from .. behind - 1 do
                let mutable place = 0
                let mutable offset = 0n

                while place < channels do
                    body (a + offset) (b + offset) (c + offset) (d + offset) place
                    place <- place + Lanes.width<'L>
                    offset <- offset + step

                a <- a + aStep
                b <- b + bStep
                c <- c + cStep
                d <- d + dStep)
