namespace Hybrid

/// Which side of a convolution keeps its variance: the input's in the forward pass or the output's in the backward.
[<RequireQualifiedAccess>]
type Fan =
    | In
    | Out

/// How a layer's weight is drawn once more after its construction.
[<RequireQualifiedAccess>]
type Redraw =
    /// It stays as the layer was constructed.
    | Kept
    /// From a normal distribution around zero.
    | Normal of std: float
    /// From a normal distribution by the size of the kernels. He et al., "Delving Deep into Rectifiers", 2015.
    | Kaiming of Fan * Activation
    /// The same, where the outputs of one group alone count as the fan: TensorFlow's for depthwise convolutions.
    | KaimingOfGroup
    /// From a normal distribution around zero that ends at 2 and -2. PyTorch's `trunc_normal_`.
    | TruncatedNormal of std: float
    /// Evenly up to one over the root of the number of outputs.
    | UniformByOutputs

/// How the layers of a network are drawn once more, one after the other.
type Redraws = {
    Convolutions: Redraw
    Linear: Redraw
    /// Whether the biases of convolutions and linear layers become zero.
    ZeroBiases: bool
    /// Layers whose paths end in these segments are drawn so instead.
    Others: (string * Redraw) list
}

/// How weights are first drawn.
[<RequireQualifiedAccess>]
type Initialisation =
    /// Every layer as PyTorch constructs it, in the order of construction.
    | PyTorch
    /// PyTorch's draws first (they move the generator on), then every convolution's weight anew from a normal
    /// distribution. He et al., "Delving Deep into Rectifiers", 2015.
    | KaimingNormal of Fan * Activation
    /// PyTorch's draws first, then whatever these say.
    | Redrawn of Redraws

[<RequireQualifiedAccess>]
module Initialisation =

    /// Every convolution and linear layer drawn anew, no biases left.
    let redrawn convolutions linear =
        Initialisation.Redrawn { Convolutions = convolutions; Linear = linear; ZeroBiases = true; Others = [] }

    /// Whether a path ends in these segments.
    let isAt (segments: string) (path: string) =
        path = segments || path.EndsWith("." + segments, System.StringComparison.Ordinal)

    /// Bound of the uniform distribution from which PyTorch draws the weight of a convolution or a linear layer:
    /// Kaiming's with a = √5. Written in PyTorch's order of operations, since the last bit counts.
    let weightBound fanIn =
        let gain = sqrt (2.0 / (1.0 + sqrt 5.0 ** 2.0))
        sqrt 3.0 * (gain / sqrt (float fanIn))

    /// Bound of the uniform distribution for the bias of a convolution or a linear layer.
    let biasBound fanIn = 1.0 / sqrt (float fanIn)

    /// Standard deviation of Kaiming's normal distribution.
    let kaimingStd activation fan = (Activations.facts activation).Gain / sqrt (float fan)
