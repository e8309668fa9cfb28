namespace Hybrid

open TorchSharp

/// The numbers that a network is computed in.
[<RequireQualifiedAccess>]
type Precision =
    | Float32
    | Float64
    | BFloat16

[<RequireQualifiedAccess>]
module Precision =

    /// How a network is held on a device. Double precision is for comparing, not for speed: it keeps PyTorch's memory
    /// layout, for which alone libtorch has double-precision convolutions worth the name.
    let placement (device: torch.Device) precision : Placement =
        let dtype, layout =
            match precision with
            | Precision.Float64 -> torch.ScalarType.Float64, Layout.Contiguous
            | Precision.BFloat16 -> torch.ScalarType.BFloat16, Layout.ChannelsLast
            | Precision.Float32 -> torch.ScalarType.Float32, Layout.ChannelsLast

        { Device = device; DType = dtype; Layout = layout }
