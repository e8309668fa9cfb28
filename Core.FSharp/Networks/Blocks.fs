namespace Hybrid

open Hybrid.Combinators

/// Output channels of an Inception block's branches, and of the reductions before its two wide kernels.
type InceptionChannels = {
    Reduce3x3: int
    Reduce5x5: int
    Conv1x1: int
    Conv3x3: int
    Conv5x5: int
    Pool: int
}

/// The repeated parts of the published networks, with the paths that PyTorch gives their parameters.
[<RequireQualifiedAccess>]
module Blocks =

    let private plain kernel channels = convWith (Conv2d.square kernel channels |> Conv2d.noBias)

    let private strided kernel step channels =
        convWith (Conv2d.square kernel channels |> Conv2d.noBias |> Conv2d.stride step)

    /// Convolution with bias, batch norm, activation.
    let convBnAct act kernel channels = [ convWith (Conv2d.square kernel channels); batchNorm; activation act ]

    /// Four views of the same input, side by side: 1×1, 3×3, 5×5 and a pooled one.
    /// Szegedy et al., "Going Deeper with Convolutions", 2015, figure 2(b), with a batch norm after each convolution.
    let inception act (channels: InceptionChannels) =
        let convBnAct = convBnAct act

        let pool = maxPoolWith (Pool2d.square 3 1 1)

        concat [
            name "conv_1x1" (sequential (convBnAct 1 channels.Conv1x1))
            name "conv_3x3" (sequential (convBnAct 1 channels.Reduce3x3 @ convBnAct 3 channels.Conv3x3))
            name "conv_5x5" (sequential (convBnAct 1 channels.Reduce5x5 @ convBnAct 5 channels.Conv5x5))
            name "max_pool" (sequential (pool :: convBnAct 1 channels.Pool))
        ]

    /// Two 3×3 convolutions added to their input. With `subsample` the map is halved and a 1×1 convolution of
    /// stride 2 (with bias) takes the input there. He et al., "Deep Residual Learning", 2016.
    let resNet act subsample channels =
        let step = if subsample then 2 else 1

        let body =
            sequential [ strided 3 step channels; batchNorm; activation act; plain 3 channels; batchNorm ]

        let shortcut =
            if subsample then
                name "downsample" (convWith (Conv2d.square 1 channels |> Conv2d.stride 2))
            else
                identity

        sum [ name "net" body; shortcut ] >>> name "act_fn" (activation act)

    /// The residual block with norm and activation before each convolution, so that the sum stays linear.
    /// He et al., "Identity Mappings in Deep Residual Networks", 2016.
    let preActResNet act subsample channels =
        let step = if subsample then 2 else 1

        let body =
            sequential [
                batchNorm
                activation act
                strided 3 step channels
                batchNorm
                activation act
                plain 3 channels
            ]

        let shortcut =
            if subsample then
                name "downsample" (sequential [ batchNorm; activation act; strided 1 2 channels ])
            else
                identity

        sum [ name "net" body; shortcut ]

    /// `growth` new channels from all that came before, put in front of it.
    /// Huang et al., "Densely Connected Convolutional Networks", 2017.
    let denseLayer act bottleneck growth =
        let body =
            sequential [
                batchNorm
                activation act
                plain 1 (bottleneck * growth)
                batchNorm
                activation act
                plain 3 growth
            ]

        concat [ name "net" body; identity ]

    /// `layers` dense layers, each of which reads the input and what all before it have made.
    let denseBlock act bottleneck growth layers =
        name "block" (sequential (List.replicate layers (denseLayer act bottleneck growth)))

    /// A map whose channels are scaled by a gate that all of it decides: its means, squeezed to fewer channels and spread
    /// out again. Hu et al., "Squeeze-and-Excitation Networks", 2018, with the keys that torchvision gives it.
    let squeezeExcitation act gate squeezed channels =
        product [
            identity
            globalAvgPool
            >>> name "fc1" (conv1x1 squeezed)
            >>> activation act
            >>> name "fc2" (conv1x1 channels)
            >>> activation gate
        ]

    /// Fewer channels on a map of half the size, between two dense blocks.
    let transition act channels =
        name "transition" (sequential [ batchNorm; activation act; plain 1 channels; avgPool 2 ])
