namespace Hybrid

open Hybrid.Combinators

/// What networks for ImageNet's photographs have in common: 1,000 classes of pictures of 224×224.
module internal ImageNet =

    let classes = HparamSpec.classesOf 1000

    let input = Shape.Image(3, 224, 224)

    /// Of ImageNet's pixels, as torchvision has it.
    let normalisation = Some { Mean = [| 0.485; 0.456; 0.406 |]; Std = [| 0.229; 0.224; 0.225 |] }

    /// Torchvision's training of the residual networks: eight GPUs with 32 images each.
    let sgd = {
        ModelFamily.tutorialSgd with
            BatchSize = 256
            Epochs = 90
            Falls = Falls.After([ 30; 60 ], 0.1)
    }

    /// A convolution before a norm.
    let plain kernel step channels = convWith (Conv2d.square kernel channels |> Conv2d.noBias |> Conv2d.stride step)
