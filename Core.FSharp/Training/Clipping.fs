namespace Hybrid

open TorchSharp

/// A bound on the gradient of a step.
[<RequireQualifiedAccess>]
type Clipping =
    /// The whole gradient is scaled down to this Euclidean norm where its own is larger.
    | Norm of most: float
    /// Each number of the gradient is brought between `-most` and `most`.
    | Value of most: float

[<RequireQualifiedAccess>]
module Clipping =

    /// Bounds a gradient in place, as PyTorch's `clip_grad_norm_` and `clip_grad_value_` do. The host sees no number of
    /// it, so it need not wait for the device.
    let apply clipping (gradient: Tensor) =
        use _ = torch.NewDisposeScope()
        use _ = torch.no_grad ()

        match clipping with
        | Clipping.Norm most ->
            let share = gradient.norm().add_(scalar 1e-6).reciprocal_().mul_(scalar most).clamp_max_(scalar 1.0)
            gradient.mul_ share |> ignore
        | Clipping.Value most -> gradient.clamp_ (scalar -most, scalar most) |> ignore
