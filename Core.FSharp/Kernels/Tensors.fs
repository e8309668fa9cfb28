namespace Hybrid

open TorchSharp

type Tensor = torch.Tensor

[<AutoOpen>]
module internal Tensors =

    /// TorchSharp takes a number either as a scalar or as a tensor, and F# wants to be told which.
    let scalar (value: float) : Scalar = value.ToScalar()
