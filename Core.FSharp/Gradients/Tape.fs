namespace Hybrid

open System
open System.Collections.Generic
open TorchSharp

/// Memory of a pass, and how many will still read it: tensors that the pass holds, and whoever lent it or was handed it.
[<Sealed>]
type internal HeldMemory(readers: int) =
    member val Readers = readers with get, set

/// A tensor that a pass holds: a map on its way through a network, a gradient on its way back, or what a part keeps until
/// then. Whoever is given one hands it on or releases it, once; who reads it besides holds a share of its own.
[<Sealed>]
type internal Held(tape: Tape, tensor: Tensor, memory: HeldMemory, isWhole: bool) =

    member _.Tape = tape

    member _.Tensor = tensor

    member _.Memory = memory

    /// Nothing else will read this memory, nor any that lies around it: it may be written over.
    member _.IsAlone = isWhole && memory.Readers = 1

    /// One more reader, of a tensor that may lie in the same memory: all of it or some.
    member _.View(view: Tensor) : Held = tape.Add(view, memory, isWhole && view.numel () = tensor.numel ())

    /// One more reader of the same numbers.
    member held.Share() : Held = held.View(tensor.alias ())

    /// The reader is done. Memory goes with its last one.
    member held.Release() = tape.Release held

/// Owns every tensor that a pass keeps for its way back. Disposing it frees what nobody has released: all that a pass has
/// kept which is never walked back, or which an exception has ended. `prepare` is shown all new memory before its use.
and [<Sealed>] internal Tape(prepare: Tensor -> unit) =

    let held = HashSet<Held>(HashIdentity.Reference)

    let forget it =
        if not (held.Remove it) then
            invalidOp "a tensor of a pass was released twice"

    new() = new Tape(ignore)

    /// Tensors that are held.
    member _.Count = held.Count

    member tape.Add(tensor: Tensor, memory: HeldMemory, isWhole: bool) : Held =
        memory.Readers <- memory.Readers + 1
        let it = Held(tape, tensor, memory, isWhole)
        held.Add it |> ignore
        it

    /// Takes a tensor whose memory nobody else reads.
    member tape.Hold(tensor: Tensor) : Held = tape.Add(tensor, HeldMemory 0, true)

    /// Takes a handle to memory that its owner goes on reading, such as a batch's or a weight's.
    member tape.Lend(tensor: Tensor) : Held = tape.Add(tensor, HeldMemory 1, true)

    /// An empty map `[N, C, H, W]`, channels last, or empty features `[N, F]`.
    member tape.Empty(size: int64 array, dtype: torch.ScalarType) : Held =
        let it =
            match size with
            | [| count; channels; height; width |] ->
                use rows = torch.empty ([| count; height; width; channels |], dtype = Nullable dtype)
                tape.Hold(rows.permute (0L, 3L, 1L, 2L))
            | size -> tape.Hold(torch.empty (size, dtype = Nullable dtype))

        prepare it.Tensor
        it

    member _.Release(it: Held) =
        forget it
        it.Memory.Readers <- it.Memory.Readers - 1
        it.Tensor.Dispose()

    /// Gives a tensor away to somebody who will go on reading it.
    member _.HandOver(it: Held) : Tensor =
        forget it
        it.Tensor

    interface IDisposable with
        member _.Dispose() =
            for it in held do
                it.Tensor.Dispose()

            held.Clear()

[<RequireQualifiedAccess>]
module internal Held =

    let release (held: Held list) =
        for it in held do
            it.Release()

    /// Adds into `sum`. TorchSharp's in-place operations may give a second handle to it.
    let addTo (sum: Tensor) (other: Tensor) =
        let same = sum.add_ other

        if not (obj.ReferenceEquals(same, sum)) then
            same.Dispose()

    /// The sum of two, in the memory of one of them where that may be written over.
    let add (a: Held) (b: Held) : Held =
        if a.Tensor.dtype = b.Tensor.dtype && (a.IsAlone || b.IsAlone) then
            let sum, other = if a.IsAlone then a, b else b, a
            addTo sum.Tensor other.Tensor
            other.Release()
            sum
        else
            let sum = a.Tape.Hold(a.Tensor.add b.Tensor)
            release [ a; b ]
            sum

    /// The same numbers in that precision.
    let ofDType (dtype: torch.ScalarType) (x: Held) : Held =
        if x.Tensor.dtype = dtype then
            x
        else
            let other = x.Tape.Hold(x.Tensor.``to`` dtype)
            x.Release()
            other

    /// A copy of a map whose rows of channels lie one behind the other.
    let dense (tape: Tape) (x: Tensor) : Held =
        let copy = tape.Empty(x.shape, x.dtype)
        copy.Tensor.copy_ x |> ignore
        copy

    let private rowsOf (x: Held) = (Rows.tryOf x.Tensor).Value

    /// A map whose rows of channels can be read, and those. `x` itself where it is one already; else `x` is released.
    let rows (x: Held) : struct (Held * Rows) =
        match Rows.tryOf x.Tensor with
        | ValueSome rows -> struct (x, rows)
        | ValueNone ->
            let copy = dense x.Tape x.Tensor
            x.Release()
            struct (copy, rowsOf copy)
