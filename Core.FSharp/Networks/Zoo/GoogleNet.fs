namespace Hybrid

open Hybrid.Combinators
open Hybrid.ZooParts

/// GoogleNet for small images: the UvA deep-learning tutorial 5 after Szegedy et al., "Going Deeper with Convolutions",
/// 2015.
[<RequireQualifiedAccess>]
module GoogleNet =

    let private net classes act =
        let inception reduce3 reduce5 (one, three, five, pool) =
            Blocks.inception act {
                Reduce3x3 = reduce3
                Reduce5x5 = reduce5
                Conv1x1 = one
                Conv3x3 = three
                Conv5x5 = five
                Pool = pool
            }

        let halve = maxPoolWith (Pool2d.square 3 2 1)

        network [
            "input_net", Blocks.convBnAct act 3 64
            "inception_blocks",
            [
                inception 32 16 (16, 32, 8, 8)
                inception 32 16 (24, 48, 12, 12)
                halve
                inception 32 16 (24, 48, 12, 12)
                inception 32 16 (16, 48, 16, 16)
                inception 32 16 (16, 48, 16, 16)
                inception 32 16 (32, 48, 24, 24)
                halve
                inception 48 16 (32, 64, 16, 16)
                inception 48 16 (32, 64, 16, 16)
            ]
            "output_net", head classes
        ]

    /// The tutorial's: eight Inception blocks, the map halved before the third and the seventh.
    let family: ModelFamily = {
        Name = "GoogleNet"
        Hparams = [ HparamSpec.classes; HparamSpec.activation ]
        Build =
            fun values ->
                let classes, act = values.Int "num_classes", ModelFamily.activation values

                Ok {
                    Name = "GoogleNet"
                    Hparams = values.All
                    Classes = classes
                    Net = net classes act
                    Initialisation = Initialisation.KaimingNormal(Fan.In, act)
                    Input = ModelFamily.tutorialInput
                    Normalisation = None
                    Published = ModelFamily.tutorialAdam
                }
    }
