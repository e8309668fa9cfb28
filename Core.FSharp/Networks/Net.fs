namespace Hybrid

/// A function of each number for itself.
[<RequireQualifiedAccess>]
type Activation =
    | Relu
    /// Slope `Activations.leakySlope` below zero.
    | LeakyRelu
    | Tanh
    /// The exact form, by the error function.
    | Gelu
    /// `x · sigmoid x`, also called swish.
    | Silu
    | Sigmoid
    | Hardswish
    | Hardsigmoid
    /// ReLU that ends at 6.
    | Relu6

/// A number for the height and one for the width.
[<Struct>]
type Sides = {
    Height: int
    Width: int
} with

    override sides.ToString() = $"{sides.Height}×{sides.Width}"

/// Zeros around a map: rows above and below, columns on the left and on the right.
[<Struct>]
type Margins = {
    Top: int
    Bottom: int
    Left: int
    Right: int
} with

    override it.ToString() = $"{it.Top},{it.Bottom},{it.Left},{it.Right}"

/// How many zeros there are around a map.
[<RequireQualifiedAccess>]
type Padding =
    /// As many rows above as below, as many columns on the left as on the right.
    | Even of Sides
    | Uneven of Margins
    /// TensorFlow's "same": as many as it takes for an output of a side to each `stride` of the input, the odd one below
    /// and on the right. A plan has the numbers instead, since they follow from the size of the map.
    | Same

    override it.ToString() =
        match it with
        | Even sides when sides.Height = sides.Width -> string sides.Height
        | Even sides -> string sides
        | Uneven margins -> string margins
        | Same -> "same"

/// A convolution without its input channels: they follow from what it is applied to.
type Conv2d = {
    Channels: int
    Kernel: Sides
    Stride: Sides
    Padding: Padding
    /// From one pixel that a kernel reads to the next.
    Dilation: Sides
    /// Inputs and outputs fall into so many groups of channels, each with kernels of its own.
    Groups: int
    Bias: bool
}

/// A pooling window.
type Pool2d = {
    Kernel: int
    Stride: int
    Padding: int
    /// A last window that only begins inside the map counts as well: the output's sides are rounded up.
    Ceiling: bool
}

/// Settings of a batch norm.
type BatchNorm2d = {
    /// Added to the variance.
    Epsilon: float
    /// Share of a batch in the running statistics.
    Momentum: float
}

/// A leaf of a network, named as PyTorch names it.
[<RequireQualifiedAccess>]
type Layer =
    | Conv2d of Conv2d
    | BatchNorm2d of BatchNorm2d
    /// Over the channels of each group and all pixels of one example.
    | GroupNorm of groups: int * epsilon: float
    /// Over the channels of each pixel.
    | LayerNorm2d of epsilon: float
    | Activation of Activation
    /// A number for each channel that is learned and multiplied in, all the same at first.
    | LayerScale of initial: float
    /// In training each number is left out with this probability, and the others grow in turn.
    | Dropout of rate: float
    /// In training an example's whole map is left out with this probability, and the others grow in turn.
    /// Huang et al., "Deep Networks with Stochastic Depth", 2016.
    | StochasticDepth of rate: float
    | MaxPool2d of Pool2d
    | AvgPool2d of Pool2d
    /// Every map to its mean: `[N, C, H, W]` to `[N, C, 1, 1]`.
    | AdaptiveAvgPool2d
    /// `[N, C, H, W]` to `[N, C·H·W]`.
    | Flatten
    | Linear of features: int * bias: bool
    /// The same over the channels of each pixel: PyTorch's `Linear` on maps whose channels are last. `[N, C, H, W]` to
    /// `[N, features, H, W]`.
    | PixelLinear of features: int * bias: bool

/// How the branches of a fork come together.
[<RequireQualifiedAccess>]
type Join =
    /// Along the channels, in the order of the branches.
    | Concat
    | Sum
    /// Number by number. A branch of `[C, 1, 1]` counts for all pixels of its channels.
    | Product

/// A network as a value. It holds no tensors and no input channels; `Plan.elaborate` works those out.
[<RequireQualifiedAccess>]
type Net =
    | Layer of Layer
    /// One after the other. The empty chain hands its input on unchanged.
    | Chain of Net list
    /// All branches read the same input.
    | Fork of Join * Net list
    /// One segment of the path of every parameter below it.
    | Named of string * Net
    /// What is inside is constructed in another order than it is read in, by the next segment of its tensors' keys: first
    /// these, then all others. First draws and the `state_dict` go by the order of construction.
    | Ordered of segments: string list * Net

[<RequireQualifiedAccess>]
module Sides =

    /// The same for both.
    let square (side: int) : Sides = { Height = side; Width = side }

    /// One number for both sides, where they agree.
    let (|Square|_|) (sides: Sides) = if sides.Height = sides.Width then Some sides.Height else None

[<RequireQualifiedAccess>]
module Padding =

    let private none = Padding.Even(Sides.square 0)

    /// The padding of a convolution in a plan as what has to be put around the map first, where that is uneven, and what is
    /// left for whoever knows even padding alone. Throws `InvalidOperationException` outside a plan.
    let divide (conv: Conv2d) : Margins option * Sides =
        match conv.Padding with
        | Padding.Even sides -> None, sides
        | Padding.Uneven margins -> Some margins, Sides.square 0
        | Padding.Same -> invalidOp "same padding has its numbers in a plan"

    /// The numbers that "same" padding comes to on a map of that size; others as they are.
    let onMap height width (conv: Conv2d) : Conv2d =
        let around stride kernel dilation side =
            let out = (int64 side + int64 stride - 1L) / int64 stride
            let extent = int64 dilation * (int64 kernel - 1L) + 1L
            let all = max 0L ((out - 1L) * int64 stride + extent - int64 side) |> min (int64 System.Int32.MaxValue)
            int (all / 2L), int (all - all / 2L)

        match conv.Padding with
        | Padding.Even _
        | Padding.Uneven _ -> conv
        | Padding.Same ->
            let top, bottom = around conv.Stride.Height conv.Kernel.Height conv.Dilation.Height height
            let left, right = around conv.Stride.Width conv.Kernel.Width conv.Dilation.Width width

            let padding =
                if top = bottom && left = right then
                    Padding.Even { Height = top; Width = left }
                else
                    Padding.Uneven { Top = top; Bottom = bottom; Left = left; Right = right }

            { conv with Padding = padding }

    /// A convolution that finds its map padded already.
    let without (conv: Conv2d) : Conv2d = { conv with Padding = none }

[<RequireQualifiedAccess>]
module Conv2d =

    /// A kernel of any sides that keeps the size of the map (for odd sides), with a bias.
    let rectangle height width channels : Conv2d = {
        Channels = channels
        Kernel = { Height = height; Width = width }
        Stride = Sides.square 1
        Padding = Padding.Even { Height = height / 2; Width = width / 2 }
        Dilation = Sides.square 1
        Groups = 1
        Bias = true
    }

    /// A square kernel that keeps the size of the map (for an odd `kernel`), with a bias.
    let square kernel channels = rectangle kernel kernel channels

    /// Pixels from one place of the kernel to the next, along both sides.
    let stride step (conv: Conv2d) = { conv with Stride = Sides.square step }

    /// Rows and columns of zeros on each side of the map.
    let padding margin (conv: Conv2d) = { conv with Padding = Padding.Even(Sides.square margin) }

    /// Rows of zeros above and below, columns on the left and on the right.
    let margins top bottom left right (conv: Conv2d) = {
        conv with
            Padding = Padding.Uneven { Top = top; Bottom = bottom; Left = left; Right = right }
    }

    /// TensorFlow's "same" padding, which is uneven where a stride leaves a remainder.
    let same (conv: Conv2d) = { conv with Padding = Padding.Same }

    /// Pixels from one that the kernel reads to the next, along both sides.
    let dilation step (conv: Conv2d) = { conv with Dilation = Sides.square step }

    /// Inputs and outputs in so many groups, which must divide the channels of both.
    let groups count (conv: Conv2d) = { conv with Groups = count }

    /// Each channel for itself, of as many as come in.
    let depthwise kernel channels = square kernel channels |> groups channels

    /// A convolution before a batch norm needs no bias: the norm takes the mean away again.
    let noBias (conv: Conv2d) = { conv with Bias = false }

[<RequireQualifiedAccess>]
module Pool2d =

    /// A square window. The map has a margin of `padding` pixels, which count for nothing.
    let square kernel stride padding : Pool2d = { Kernel = kernel; Stride = stride; Padding = padding; Ceiling = false }

    /// A last window that only begins inside the map counts as well.
    let ceiling (pool: Pool2d) = { pool with Ceiling = true }

/// Constants of batch norms. Ioffe and Szegedy, "Batch Normalization", 2015.
[<RequireQualifiedAccess>]
module BatchNorm2d =

    /// Share of a batch in the running statistics: PyTorch's default, which most published networks keep.
    let momentum = 0.1

    /// Added to the variance: PyTorch's default, which most published networks keep.
    let epsilon = 1e-5

    /// PyTorch's default.
    let usual = { Epsilon = epsilon; Momentum = momentum }

    /// The settings of a layer that is a batch norm. Throws `InvalidOperationException` for any other.
    let ofLayer layer =
        match layer with
        | Layer.BatchNorm2d it -> it
        | layer -> invalidOp $"{layer} is no batch norm"

/// The vocabulary in which networks are written: `conv 64 >>> batchNorm >>> relu`. Opened by name, since its words
/// are short.
module Combinators =

    /// One after the other. Chains are flat: nesting unnamed chains changes nothing.
    let chain (nets: Net list) =
        let flat =
            nets
            |> List.collect (function
                | Net.Chain inner -> inner
                | net -> [ net ])

        match flat with
        | [ single ] -> single
        | several -> Net.Chain several

    /// `first`, then `second`: associative, with `identity` as its neutral element.
    let (>>>) first second = chain [ first; second ]

    /// Hands its input on unchanged.
    let identity = Net.Chain []

    /// Gives everything below `segment` as part of its path.
    let name segment net = Net.Named(segment, net)

    /// A chain whose members are numbered from 0 in the paths, as in PyTorch's `nn.Sequential`.
    let sequential (nets: Net list) = nets |> List.mapi (fun index net -> name (string index) net) |> chain

    /// Branches joined along the channels, first branch first.
    let concat (branches: Net list) = Net.Fork(Join.Concat, branches)

    /// Branches added up.
    let sum (branches: Net list) = Net.Fork(Join.Sum, branches)

    /// Branches multiplied with one another; one of `[C, 1, 1]` scales the channels of the others.
    let product (branches: Net list) = Net.Fork(Join.Product, branches)

    /// `body` added to its own input.
    let residual body = sum [ body; identity ]

    /// A convolution `[N, C, H, W]` to `[N, Channels, H', W']`.
    let convWith (conv: Conv2d) = Net.Layer(Layer.Conv2d conv)

    /// A 3×3 convolution to `channels`, stride 1, that keeps the size of the map.
    let conv channels = convWith (Conv2d.square 3 channels)

    /// A 1×1 convolution to `channels`.
    let conv1x1 channels = convWith (Conv2d.square 1 channels)

    /// Each channel to mean 0 and variance 1 over the batch (in evaluation by the running statistics), then scaled and
    /// shifted as is learned.
    let batchNorm = Net.Layer(Layer.BatchNorm2d BatchNorm2d.usual)

    /// The same with an epsilon and a momentum of its own.
    let batchNormWith epsilon momentum = Net.Layer(Layer.BatchNorm2d { Epsilon = epsilon; Momentum = momentum })

    /// With PyTorch's default epsilon.
    let groupNorm groups = Net.Layer(Layer.GroupNorm(groups, 1e-5))

    /// With the epsilon of the published ConvNeXt.
    let layerNorm = Net.Layer(Layer.LayerNorm2d 1e-6)

    /// Each channel times a number that is learned, `initial` at first. Touvron et al., "Going deeper with Image
    /// Transformers", 2021.
    let layerScale initial = Net.Layer(Layer.LayerScale initial)

    /// In training each number is left out with a probability of `rate`, 0 to 1, and the others grow in turn.
    /// Srivastava et al., "Dropout", 2014.
    let dropout rate = Net.Layer(Layer.Dropout rate)

    /// In training an example's whole map is left out with a probability of `rate`, 0 to 1; the others grow in turn.
    /// Huang et al., "Deep Networks with Stochastic Depth", 2016.
    let stochasticDepth rate = Net.Layer(Layer.StochasticDepth rate)

    /// A function of each number for itself.
    let activation kind = Net.Layer(Layer.Activation kind)

    /// `max(0, x)`.
    let relu = activation Activation.Relu

    /// `x` above zero, `Activations.leakySlope · x` below.
    let leakyRelu = activation Activation.LeakyRelu

    /// `x · Φ(x)`, Φ the normal distribution's. Hendrycks and Gimpel, "Gaussian Error Linear Units", 2016.
    let gelu = activation Activation.Gelu

    /// `x / (1 + exp(-x))`.
    let silu = activation Activation.Silu

    /// `1 / (1 + exp(-x))`.
    let sigmoid = activation Activation.Sigmoid

    /// Largest number of each window.
    let maxPoolWith (pool: Pool2d) = Net.Layer(Layer.MaxPool2d pool)

    /// Largest value of each `size`×`size` tile.
    let maxPool size = maxPoolWith (Pool2d.square size size 0)

    /// Mean of each window, the zeros of the margin among it.
    let avgPoolWith (pool: Pool2d) = Net.Layer(Layer.AvgPool2d pool)

    /// Mean of each `size`×`size` tile.
    let avgPool size = avgPoolWith (Pool2d.square size size 0)

    /// Mean over each whole map.
    let globalAvgPool = Net.Layer Layer.AdaptiveAvgPool2d

    /// `[N, C, H, W]` to `[N, C·H·W]`.
    let flatten = Net.Layer Layer.Flatten

    /// A fully connected layer with bias.
    let linear features = Net.Layer(Layer.Linear(features, true))

    /// A fully connected layer with bias over the channels of each pixel.
    let pixelLinear features = Net.Layer(Layer.PixelLinear(features, true))

    /// `net`, constructed in another order than it is read in: what is below these segments first.
    let ordered segments net = Net.Ordered(segments, net)
