namespace Hybrid

open System
open TorchSharp

/// A convolution's numbers, in float64: weight `[O, I, K, K]` and bias `[O]`.
type internal Kernel = { Weight: Tensor; Bias: Tensor }

/// What a batch norm in evaluation does to each channel, in float64: `scale * x + shift`, each `[C]`.
type internal Affine = { Scale: Tensor; Shift: Tensor }

/// Bounds `[C]` of a clamp; `High` only where it bounds anything.
type internal Clamp = { Low: Tensor; High: Tensor option }

/// Batch norms written into the convolutions beside them.
module internal Folding =

    let private wide (x: Tensor) = x.detach().``to``(torch.ScalarType.Float64).contiguous()

    let private tensor (weights: Weights) (layer: LayerPlan) role =
        layer.Tensors
        |> List.tryFind (fun spec -> spec.Role = role)
        |> Option.map (fun spec -> wide weights[spec.Key])

    let private required weights layer role =
        tensor weights layer role
        |> Option.defaultWith (fun () -> invalidOp $"{Layers.name layer.Layer} has no {role}")

    let kernel (weights: Weights) (layer: LayerPlan) : Kernel =
        let weight = required weights layer Role.Weight

        let bias =
            tensor weights layer Role.Bias
            |> Option.defaultWith (fun () -> torch.zeros_like (weight.select(1L, 0L).flatten(1L).select(1L, 0L)))

        { Weight = weight; Bias = bias }

    let affine (weights: Weights) (layer: LayerPlan) : Affine =
        let tensor = required weights layer

        let scale =
            tensor Role.Weight
            / (tensor Role.RunningVar + scalar (BatchNorm2d.ofLayer layer.Layer).Epsilon).sqrt()

        { Scale = scale; Shift = tensor Role.Bias - tensor Role.RunningMean * scale }

    /// The convolution, then the norm.
    let followedBy (norm: Affine) (kernel: Kernel) : Kernel = {
        Weight = kernel.Weight * norm.Scale.view (-1L, 1L, 1L, 1L)
        Bias = kernel.Bias * norm.Scale + norm.Shift
    }

    /// A convolution's numbers with those of the norms behind it.
    let withNorms weights kernel norms =
        (kernel, norms) ||> List.fold (fun kernel norm -> followedBy (affine weights norm) kernel)

    /// Norm and ReLU before a 1×1 convolution without padding as a clamp before another one: `relu(s*x + b)` is
    /// `s * max(x, -b/s) + b` where `s > 0` and `s * min(x, -b/s) + b` where `s < 0`; the rest is linear.
    let precededByRelu (norm: Affine) (kernel: Kernel) : Clamp * Kernel =
        let whole (value: float) = torch.full_like (norm.Scale, scalar value)
        // A channel that is all but switched off has a constant output; its bound would be beyond all numbers.
        let off = norm.Scale.abs().lt(scalar 1e-20)
        let scale = torch.where (off, whole 0.0, norm.Scale)
        let shift = torch.where (off, norm.Shift.relu (), norm.Shift)
        let bound = torch.where (off, whole 0.0, norm.Shift.neg () / torch.where (off, whole 1.0, norm.Scale))
        let falling = scale.lt (scalar 0.0)

        let clamp = {
            Low = torch.where (falling, whole Double.NegativeInfinity, bound)
            High =
                if falling.any().item<bool>() then
                    Some(torch.where (falling, bound, whole Double.PositiveInfinity))
                else
                    None
        }

        clamp,
        {
            Weight = kernel.Weight * scale.view (1L, -1L, 1L, 1L)
            Bias = kernel.Bias + kernel.Weight.flatten(1L).matmul shift
        }
