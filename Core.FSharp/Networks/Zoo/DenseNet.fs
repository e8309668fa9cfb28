namespace Hybrid

open Hybrid.Combinators
open Hybrid.ZooParts

/// DenseNet for small images: the UvA deep-learning tutorial 5 after Huang et al., "Densely Connected Convolutional
/// Networks", 2017.
[<RequireQualifiedAccess>]
module DenseNet =

    let private net classes counts bottleneck growth act =
        let stem = growth * bottleneck
        let last = List.length counts - 1

        // Channels after each dense block are halved by the transition behind it.
        let blocks =
            List.indexed counts
            |> List.mapFold
                (fun channels (index, layers) ->
                    let dense = Blocks.denseBlock act bottleneck growth layers
                    let grown = channels + layers * growth

                    if index = last then
                        [ dense ], grown
                    else
                        [ dense; Blocks.transition act (grown / 2) ], grown / 2)
                stem
            |> fst

        network [
            "input_net", [ conv stem ]
            "blocks", List.concat blocks
            "output_net", batchNorm :: activation act :: head classes
        ]

    /// The tutorial's: a growth of 16, a bottleneck of 2, 6 layers in each of 4 blocks.
    let family: ModelFamily = {
        Name = "DenseNet"
        Hparams = [
            HparamSpec.classes
            HparamSpec.counts "num_layers" [ 6; 6; 6; 6 ]
            HparamSpec.int "bn_size" 2 Limits.growth
            HparamSpec.int "growth_rate" 16 Limits.growth
            HparamSpec.activation
        ]
        Build =
            fun values ->
                let classes, act = values.Int "num_classes", ModelFamily.activation values
                let bottleneck, growth = values.Int "bn_size", values.Int "growth_rate"

                Ok {
                    Name = "DenseNet"
                    Hparams = values.All
                    Classes = classes
                    Net = net classes (values.Ints "num_layers") bottleneck growth act
                    Initialisation = Initialisation.KaimingNormal(Fan.In, act)
                    Input = ModelFamily.tutorialInput
                    Normalisation = None
                    Published = ModelFamily.tutorialAdam
                }
    }
