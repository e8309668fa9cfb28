namespace Hybrid

/// Where a part of a network puts the gradient of what it has read. A tensor in a destination goes to the part, which
/// hands on the one that the gradient then is in.
[<RequireQualifiedAccess>]
type internal Destination =
    /// Nobody asks for the gradient: it need not be worked out.
    | Nowhere
    /// To memory that nobody else reads: new, or that of something that the part alone has kept until then.
    | Fresh
    /// Over the numbers of this tensor, whatever they are. It may be what the part itself has read: a part writes there
    /// when it needs that no more, or pixel by pixel.
    | Into of Held
    /// Added to this sum, over which it is written where nobody else reads that; elsewhere the total is a new tensor.
    | AddedTo of Held

[<RequireQualifiedAccess>]
module internal Destination =

    /// Puts a gradient there that the part was given, or has worked out in a tensor of its own.
    let put (own: Held) destination : Held voption =
        match destination with
        | Destination.Nowhere ->
            own.Release()
            ValueNone
        | Destination.Fresh -> ValueSome own
        | Destination.Into part ->
            part.Tensor.copy_ own.Tensor |> ignore
            own.Release()
            ValueSome part
        | Destination.AddedTo sum -> ValueSome(Held.add own sum)

    /// Works a gradient out where somebody asks for it, in a tensor of its own; then releases what the part has kept.
    let putNew (kept: Held list) (work: unit -> Held) destination : Held voption =
        match destination with
        | Destination.Nowhere ->
            Held.release kept
            ValueNone
        | _ ->
            let own = work ()
            Held.release kept
            put own destination

    /// Has a kernel write the gradient of `x`, which is released. The kernel is handed the rows to write to, and those that
    /// it is to add in the same pass; either may be the same memory. It may write over `x` itself as well, pixel by pixel.
    let write (x: Held) (kernel: Rows -> Rows voption -> unit) destination : Held voption =
        /// Over `x` where only the part has kept it.
        let chosen () = if x.IsAlone then x else x.Tape.Empty(x.Tensor.shape, x.Tensor.dtype)

        let run (out: Held) added =
            kernel (Rows.tryOf out.Tensor).Value added

            if not (obj.ReferenceEquals(out, x)) then
                x.Release()

            out

        match destination with
        | Destination.Nowhere ->
            x.Release()
            ValueNone
        | Destination.Fresh -> ValueSome(run (chosen ()) ValueNone)
        | Destination.Into part when (Rows.tryOf part.Tensor).IsSome -> ValueSome(run part ValueNone)
        | Destination.Into _ -> put (run (chosen ()) ValueNone) destination
        | Destination.AddedTo sum ->
            let struct (sum, added) = Held.rows sum
            let out = if sum.IsAlone && not x.IsAlone then sum else chosen ()
            let total = run out (ValueSome added)

            if not (obj.ReferenceEquals(total, sum)) then
                sum.Release()

            ValueSome total
