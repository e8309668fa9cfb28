namespace Hybrid

/// Which side of a convolution keeps its variance: the input's in the forward pass or the output's in the backward.
[<RequireQualifiedAccess>]
type Fan =
    | In
    | Out

/// How weights are first drawn.
[<RequireQualifiedAccess>]
type Initialisation =
    /// Every layer as PyTorch constructs it, in the order of construction.
    | PyTorch
    /// PyTorch's draws first (they move the generator on), then every convolution's weight anew from a normal
    /// distribution. He et al., "Delving Deep into Rectifiers", 2015.
    | KaimingNormal of Fan * Activation

[<RequireQualifiedAccess>]
module Initialisation =

    /// Bound of the uniform distribution from which PyTorch draws the weight of a convolution or a linear layer:
    /// Kaiming's with a = √5. Written in PyTorch's order of operations, since the last bit counts.
    let weightBound fanIn =
        let gain = sqrt (2.0 / (1.0 + sqrt 5.0 ** 2.0))
        sqrt 3.0 * (gain / sqrt (float fanIn))

    /// Bound of the uniform distribution for the bias of a convolution or a linear layer.
    let biasBound fanIn = 1.0 / sqrt (float fanIn)

    /// Standard deviation of Kaiming's normal distribution.
    let kaimingStd activation fan = (Activations.facts activation).Gain / sqrt (float fan)
