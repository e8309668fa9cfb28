namespace Hybrid

/// What a tensor of a layer is for.
[<RequireQualifiedAccess>]
type Role =
    | Weight
    | Bias
    | RunningMean
    | RunningVar
    /// A 64-bit count of the batches that a batch norm has seen in training.
    | NumBatchesTracked

/// How a tensor is filled when its layer is made.
[<RequireQualifiedAccess>]
type FirstDraw =
    | Constant of float
    /// Evenly from `-bound` to `bound`.
    | Uniform of bound: float

/// One tensor of a network's state: its `state_dict` key and its dimensions.
type TensorSpec = {
    Key: string
    Dims: int list
    Role: Role
    /// As PyTorch's constructor fills it.
    First: FirstDraw
} with

    /// Parameters are trained; the rest is kept by the batch norms.
    member spec.IsParameter = spec.Role = Role.Weight || spec.Role = Role.Bias

    /// How many numbers it holds.
    member spec.Elements = spec.Dims |> Seq.map int64 |> Shape.volume

/// What sort of layer it is: what a diagram paints alike.
[<RequireQualifiedAccess>]
type LayerKind =
    | Convolution
    | Linear
    | Norm
    | Activation
    | Scale
    /// Random in training.
    | Noise
    | Pool
    | Flatten

/// What a layer was made with.
[<RequireQualifiedAccess>]
type Setting =
    | Whole of int
    | Number of float
    | Sides of Sides
    | Padding of Padding
    | Switch of bool

/// A window that slides over a map.
type Window = {
    Kernel: Sides
    Stride: Sides
    Padding: Padding
    Dilation: Sides
    Ceiling: bool
}

/// What a layer does to one example of some shape.
type LayerOutcome = {
    Out: Shape
    /// Under the last segments of their keys, in the order of PyTorch's `state_dict`, which is that of construction.
    Tensors: TensorSpec list
    /// Multiply-adds.
    Macs: int64
    /// The layer as it is on such an example: what its settings leave to the size of the map is worked out.
    As: Layer option
}

/// What there is to know of a layer, whoever reads it.
type LayerFacts = {
    /// PyTorch's name.
    Type: string
    Kind: LayerKind
    /// In the order in which they are written down. Those that most layers leave as they are stand here only where they
    /// are unusual.
    Settings: (string * Setting) list
    /// Where the layer looks at windows of maps.
    Window: Window option
    /// Settings that no input could make right.
    Problems: ShapeProblem list
    /// Of an example of that shape; a problem where the layer cannot read it.
    On: Shape -> Result<LayerOutcome, ShapeProblem>
    Kept: Kept
    Storage: Storage
    /// In training it draws random numbers; in evaluation it hands its input on.
    Random: bool
}
