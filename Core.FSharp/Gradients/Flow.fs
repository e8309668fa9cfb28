namespace Hybrid

open TorchSharp

/// A map on its way through a network, or a gradient on its way back. Whoever is handed one owns the handle, and hands
/// it on or lets go of it.
[<Struct>]
type internal Flow = {
    Map: Tensor
    /// Nothing else will read that memory, so that it may be written over.
    Free: bool
}

/// The way back of a part: from the gradient of what it gave, and from what other readers of its input have
/// found of the gradient of that, to the sum. The gradients of the part's own tensors are added to what is gathered of them.
type internal Pullback = delegate of gradient: Flow * others: Flow voption -> Flow

/// A part of a network on the way forth in training. What it gives lies in `into` where that is handed to it and it can;
/// random numbers come from `draws`, or from libtorch's own generator.
type internal ForwardPass =
    delegate of x: Flow * into: (Tensor | null) * draws: (torch.Generator | null) -> struct (Flow * Pullback)

[<RequireQualifiedAccess>]
module internal Flow =

    let free map = { Map = map; Free = true }

    let kept map = { Map = map; Free = false }

    let drop (flow: Flow) = flow.Map.Dispose()

    /// Another handle to the same memory.
    let share (flow: Flow) = kept (flow.Map.alias ())

    /// Adds into `sum`, which is nobody else's. TorchSharp's in-place operations may give a second handle to it.
    let addTo (sum: Tensor) (other: Tensor) =
        let same = sum.add_ other

        if not (obj.ReferenceEquals(same, sum)) then
            same.Dispose()

    let add (a: Flow) (b: Flow) : Flow =
        if a.Map.dtype = b.Map.dtype && (a.Free || b.Free) then
            let sum, other = if a.Free then a, b else b, a
            addTo sum.Map other.Map
            drop other
            sum
        else
            let sum = a.Map.add b.Map
            drop a
            drop b
            free sum

    /// The same numbers in that precision.
    let ofDType (dtype: torch.ScalarType) (flow: Flow) : Flow =
        if flow.Map.dtype = dtype then
            flow
        else
            let other = flow.Map.``to`` dtype
            drop flow
            free other

    /// A gradient and what others have found.
    let joined (gradient: Flow) (others: Flow voption) =
        match others with
        | ValueNone -> gradient
        | ValueSome others -> add gradient others

    /// An empty map `[N, C, H, W]`, channels last, or empty features `[N, F]`.
    let empty (size: int64 array) dtype : Tensor =
        match size with
        | [| count; channels; height; width |] ->
            use rows = torch.empty ([| count; height; width; channels |], dtype = System.Nullable dtype)
            rows.permute (0L, 3L, 1L, 2L)
        | size -> torch.empty (size, dtype = System.Nullable dtype)

    /// A map whose rows of channels can be read, and those. `x` itself where it is one already; else `x` is let go of.
    let rows (x: Flow) : struct (Flow * Rows) =
        match Rows.tryOf x.Map with
        | ValueSome rows -> struct (x, rows)
        | ValueNone ->
            let dense = empty x.Map.shape x.Map.dtype
            dense.copy_ x.Map |> ignore
            drop x
            struct (free dense, (Rows.tryOf dense).Value)

    /// Hands `work` the rows of what others have found, and lets go of that.
    let reading (others: Flow voption) (work: Rows voption -> unit) =
        match others with
        | ValueNone -> work ValueNone
        | ValueSome others ->
            let struct (others, found) = rows others
            work (ValueSome found)
            drop others
