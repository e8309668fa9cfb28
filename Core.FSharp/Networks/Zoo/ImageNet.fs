namespace Hybrid

open Hybrid.Combinators

/// What networks for ImageNet's photographs have in common: 1,000 classes of pictures of 224×224.
module internal ImageNet =

    let classes = HparamSpec.classesOf 1000

    let input = Shape.Image(3, 224, 224)

    /// Of ImageNet's pixels, as torchvision has it.
    let normalisation = Some { Mean = [| 0.485; 0.456; 0.406 |]; Std = [| 0.229; 0.224; 0.225 |] }

    /// Of pixels as TensorFlow's networks read them, from -1 to 1.
    let halves = Some { Mean = [| 0.5; 0.5; 0.5 |]; Std = [| 0.5; 0.5; 0.5 |] }

    /// Probability of dropout in front of the last layer.
    let dropout usual = HparamSpec.number "dropout" usual 0.0 0.999

    /// Probability that the last block is left out in training; the others' grow towards it.
    let depthDropout usual = HparamSpec.number "stochastic_depth_prob" usual 0.0 0.999

    /// How much wider than published a network is.
    let width usual = HparamSpec.number "width_mult" usual 0.01 Limits.multiple

    /// Channels in eights, as many as come nearest, and not below nine tenths of what was asked for.
    let eights (channels: float) =
        let near = max 8 (int (channels + 4.0) / 8 * 8)
        if float near < 0.9 * channels then near + 8 else near

    /// Torchvision's training of the residual networks: eight GPUs with 32 images each.
    let sgd = {
        ModelFamily.tutorialSgd with
            BatchSize = 256
            Epochs = 90
            Falls = Falls.After([ 30; 60 ], 0.1)
    }

    /// Whole maps are left out with some probability: nothing where that is zero.
    let leavingOut rate = if rate = 0.0 then identity else name "stochastic_depth" (stochasticDepth rate)

    /// A convolution before a norm.
    let plain kernel step channels = convWith (Conv2d.square kernel channels |> Conv2d.noBias |> Conv2d.stride step)
