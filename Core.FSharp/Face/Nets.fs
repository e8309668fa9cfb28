namespace Hybrid

open System.Runtime.InteropServices
open Hybrid.Combinators

/// Networks in C#, by the words of `Combinators`. Input channels are never written down.
[<AbstractClass; Sealed>]
type Nets =
    /// One after the other; none hands its input on.
    static member Chain([<System.ParamArray>] parts: Net array) : Net = chain (List.ofArray parts)

    /// A chain whose members are numbered from 0 in the paths of their weights.
    static member Sequential([<System.ParamArray>] parts: Net array) : Net = sequential (List.ofArray parts)

    /// Gives everything below `segment` as part of its path.
    static member Named(segment: string, net: Net) : Net = name segment net

    /// Branches joined along the channels.
    static member Concat([<System.ParamArray>] branches: Net array) : Net = concat (List.ofArray branches)

    /// Branches added up.
    static member Sum([<System.ParamArray>] branches: Net array) : Net = sum (List.ofArray branches)

    /// Branches multiplied; one of `[C, 1, 1]` scales the channels of the others.
    static member Product([<System.ParamArray>] branches: Net array) : Net = product (List.ofArray branches)

    /// `body` added to its own input.
    static member Residual(body: Net) : Net = residual body

    /// Hands its input on unchanged.
    static member Identity: Net = identity

    /// A square convolution that keeps the size of the map where `stride` is 1 and `kernel` odd.
    static member Conv
        (
            channels: int,
            [<Optional; DefaultParameterValue(3)>] kernel: int,
            [<Optional; DefaultParameterValue(1)>] stride: int,
            [<Optional; DefaultParameterValue(1)>] groups: int,
            [<Optional; DefaultParameterValue(true)>] bias: bool
        ) : Net =
        convWith {
            Conv2d.square kernel channels with
                Stride = Sides.square stride
                Groups = groups
                Bias = bias
        }

    /// Each channel to mean 0 and variance 1 over the batch, then scaled and shifted as is learned.
    static member BatchNorm: Net = batchNorm

    /// The same over the channels of each of `groups` groups and all pixels of one image.
    static member GroupNorm(groups: int) : Net = groupNorm groups

    /// Over the channels of each pixel.
    static member LayerNorm: Net = layerNorm

    /// A function of each number for itself.
    static member Activation(kind: Activation) : Net = activation kind

    /// The larger of 0 and each number.
    static member Relu: Net = relu

    /// In training each number is left out with a probability of `rate`, 0 to 1.
    static member Dropout(rate: float) : Net = dropout rate

    /// In training an image's whole map is left out with a probability of `rate`, 0 to 1.
    static member StochasticDepth(rate: float) : Net = stochasticDepth rate

    /// Largest number of each `size`×`size` tile.
    static member MaxPool(size: int) : Net = maxPool size

    /// Mean of each `size`×`size` tile.
    static member AvgPool(size: int) : Net = avgPool size

    /// Mean over each whole map.
    static member GlobalAvgPool: Net = globalAvgPool

    /// `[N, C, H, W]` to `[N, C·H·W]`.
    static member Flatten: Net = flatten

    /// A fully connected layer with bias.
    static member Linear(features: int) : Net = linear features
