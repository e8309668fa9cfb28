namespace Hybrid

open TorchSharp

/// libtorch's tensor.
type Tensor = torch.Tensor

[<AutoOpen>]
module internal Tensors =

    /// TorchSharp takes a number either as a scalar or as a tensor, and F# wants to be told which.
    let scalar (value: float) : Scalar = value.ToScalar()

    /// A number for the height and the same for the width, as libtorch takes them.
    let pair (side: int) = [| int64 side; int64 side |]

    /// A map `[N, C, H, W]` with zeros around it.
    let padded (it: Margins) (x: Tensor) : Tensor =
        let around = [| int64 it.Left; int64 it.Right; int64 it.Top; int64 it.Bottom |]
        torch.nn.functional.pad (x, around, PaddingModes.Constant, 0.0)

    /// A number for the height and one for the width, as libtorch takes them.
    let ofSides (sides: Sides) = [| int64 sides.Height; int64 sides.Width |]

    /// Of a map `[N, C, H, W]` every pixel that such steps reach: a view.
    let everyPixel (step: Sides) (x: Tensor) : Tensor =
        use rows = x.slice (2L, 0L, x.shape[2], int64 step.Height)
        rows.slice (3L, 0L, x.shape[3], int64 step.Width)
