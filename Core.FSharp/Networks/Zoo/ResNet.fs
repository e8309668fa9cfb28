namespace Hybrid

open Hybrid.Combinators
open Hybrid.ZooParts

/// Residual networks for small images: the UvA deep-learning tutorial 5 after He et al., "Deep Residual Learning" and
/// "Identity Mappings in Deep Residual Networks", 2016.
[<RequireQualifiedAccess>]
module ResNet =

    let private original = "ResNetBlock"
    let private preActivation = "PreActResNetBlock"

    let private net classes counts channels act block =
        let stem = convWith (Conv2d.square 3 (List.head channels) |> Conv2d.noBias)

        let block, stem =
            if block = preActivation then
                Blocks.preActResNet, [ stem ]
            else
                Blocks.resNet, [ stem; batchNorm; activation act ]

        // Every group but the first halves the map.
        let blocks =
            List.zip counts channels
            |> List.mapi (fun group (count, channels) ->
                List.init count (fun place -> block act (group > 0 && place = 0) channels))
            |> List.concat

        network [ "input_net", stem; "blocks", blocks; "output_net", head classes ]

    let private build (values: Hparams) : Result<Model, string> =
        let counts, channels = values.Ints "num_blocks", values.Ints "c_hidden"

        let classes, act, block =
            values.Int "num_classes", ModelFamily.activation values, values.Text "block_name"

        if counts.Length = channels.Length then
            Ok {
                Name = if block = preActivation then "ResNetPreAct" else "ResNet"
                Hparams = values.All
                Classes = classes
                Net = net classes counts channels act block
                Initialisation = Initialisation.KaimingNormal(Fan.Out, act)
                Input = ModelFamily.tutorialInput
                Normalisation = None
                Published = ModelFamily.tutorialSgd
            }
        else
            let lengths = $"{counts.Length} and {channels.Length}"
            Error $"num_blocks and c_hidden have {lengths} values, expected as many of one as of the other"

    let private named name block : ModelFamily = {
        Name = name
        Hparams = [
            HparamSpec.classes
            HparamSpec.counts "num_blocks" [ 3; 3; 3 ]
            HparamSpec.ints "c_hidden" [ 16; 32; 64 ] Limits.channels
            HparamSpec.activation
            HparamSpec.word "block_name" block [ original; preActivation ]
        ]
        Build = build
    }

    /// The tutorial's: three groups of three blocks, of 16, 32 and 64 channels, an activation after each sum.
    let family = named "ResNet" original

    /// The same with norm and activation before each convolution.
    let preActivationFamily = named "ResNetPreAct" preActivation
