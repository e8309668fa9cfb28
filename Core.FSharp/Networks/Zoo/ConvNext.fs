namespace Hybrid

open Hybrid.Combinators

/// Convolutions in the manner of transformers, with torchvision's names: Liu et al., "A ConvNet for the 2020s", 2022.
[<RequireQualifiedAccess>]
module ConvNext =

    /// First numbers of the layer scales.
    let private scale = 1e-6

    /// A wide depthwise convolution, then two linear layers over the channels of each pixel, scaled and added to the input.
    /// Torchvision's block holds the scale itself, in front of its layers.
    let private block rate channels =
        let body =
            chain [
                name "0" (convWith (Conv2d.depthwise 7 channels))
                name "2" layerNorm
                name "3" (pixelLinear (4 * channels))
                name "4" gelu
                name "5" (pixelLinear channels)
            ]

        residual (chain [ name "block" body; layerScale scale; ImageNet.leavingOut rate ])
        |> ordered [ "layer_scale" ]

    let private halve channels =
        sequential [ layerNorm; convWith (Conv2d.square 2 channels |> Conv2d.stride 2 |> Conv2d.padding 0) ]

    let private net classes (channels: int list) (counts: int list) leftOut =
        let all = List.sum counts

        let stage before (place, (channels, count)) =
            let blocks =
                List.init count (fun index ->
                    block (leftOut * float (before + index) / float (max 1 (all - 1))) channels)

            [
                if place > 0 then
                    halve channels
                sequential blocks
            ],
            before + count

        let stages = List.zip channels counts |> List.indexed |> List.mapFold stage 0 |> fst

        let stem =
            sequential [ convWith (Conv2d.square 4 channels.Head |> Conv2d.stride 4 |> Conv2d.padding 0); layerNorm ]

        chain [
            name "features" (sequential (stem :: List.concat stages))
            name "avgpool" globalAvgPool
            name "classifier" (sequential [ layerNorm; flatten; linear classes ])
        ]

    /// The authors' training.
    let private training = {
        ImageNet.sgd with
            Optimizer = "adamw"
            Settings = [ "weight-decay", 0.05 ]
            LearningRate = 4e-3
            BatchSize = 4096
            Epochs = 300
            WarmUp = 20
            Falls = Falls.Cosine
            LabelSmoothing = 0.1
            Average = Some 0.9999
    }

    let private family (size, channels, counts, leftOut) : ModelFamily =
        let named = $"convnext_{size}"

        {
            Name = named
            Hparams = [
                ImageNet.classes
                HparamSpec.counts "depths" counts
                HparamSpec.ints "dims" channels Limits.channels
                ImageNet.depthDropout leftOut
            ]
            Build =
                fun values ->
                    let counts, channels, classes = values.Ints "depths", values.Ints "dims", values.Int "num_classes"

                    if counts.Length = channels.Length then
                        Ok {
                            Name = named
                            Hparams = values.All
                            Classes = classes
                            Net = net classes channels counts (values.Number "stochastic_depth_prob")
                            Initialisation =
                                Initialisation.redrawn (Redraw.TruncatedNormal 0.02) (Redraw.TruncatedNormal 0.02)
                            Input = ImageNet.input
                            Normalisation = ImageNet.normalisation
                            Published = training
                        }
                    else
                        let lengths = $"{counts.Length} and {channels.Length}"
                        Error $"depths and dims have {lengths} values, expected as many of one as of the other"
        }

    /// `convnext_tiny` to `convnext_large`.
    let families: ModelFamily list = [
        for it in
            [
                "tiny", [ 96; 192; 384; 768 ], [ 3; 3; 9; 3 ], 0.1
                "small", [ 96; 192; 384; 768 ], [ 3; 3; 27; 3 ], 0.4
                "base", [ 128; 256; 512; 1024 ], [ 3; 3; 27; 3 ], 0.5
                "large", [ 192; 384; 768; 1536 ], [ 3; 3; 27; 3 ], 0.5
            ] do
            family it
    ]
