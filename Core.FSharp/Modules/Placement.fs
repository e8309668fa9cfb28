namespace Hybrid

open TorchSharp

/// How maps lie in memory. Shapes and keys are the same in both; only strides differ.
[<RequireQualifiedAccess>]
type Layout =
    | Contiguous
    /// Channels last: the order in which libtorch's convolutions on CPU are fastest.
    | ChannelsLast

/// Where and in what form a network's tensors are held.
type Placement = {
    Device: torch.Device
    /// What the network computes in; what it keeps is in `Placement.storage`.
    DType: torch.ScalarType
    Layout: Layout
}

[<RequireQualifiedAccess>]
module Placement =

    /// Float32 on the CPU, channels last.
    let cpu = {
        Device = torch.CPU
        DType = torch.ScalarType.Float32
        Layout = Layout.ChannelsLast
    }

    /// Precision of what lasts: weights, their gradients and the running statistics. Where a network computes in
    /// bfloat16, these are in float32, since most steps are too small for eight digits.
    let storage (placement: Placement) =
        match placement.DType with
        | torch.ScalarType.BFloat16 -> torch.ScalarType.Float32
        | dtype -> dtype

[<RequireQualifiedAccess>]
module Layout =

    /// `x` `[N, C, H, W]` with the strides of `layout`; `x` itself where it has them already.
    let apply layout (x: Tensor) =
        match layout with
        | Layout.ChannelsLast when x.dim () = 4L ->
            use last = x.permute (0L, 2L, 3L, 1L)

            if last.is_contiguous () then
                x
            else
                use dense = last.contiguous ()
                dense.permute (0L, 3L, 1L, 2L)
        | _ -> if x.is_contiguous () then x else x.contiguous ()
