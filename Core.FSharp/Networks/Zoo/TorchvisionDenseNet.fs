namespace Hybrid

open Hybrid.Combinators

/// Dense networks for ImageNet, with torchvision's names: Huang et al., "Densely Connected Convolutional Networks", 2017.
[<RequireQualifiedAccess>]
module TorchvisionDenseNet =

    /// New channels behind those that it reads.
    let private denseLayer bottleneck growth =
        [
            name "norm1" batchNorm
            name "relu1" relu
            name "conv1" (ImageNet.plain 1 1 (bottleneck * growth))
            name "norm2" batchNorm
            name "relu2" relu
            name "conv2" (ImageNet.plain 3 1 growth)
        ]
        |> chain

    let private denseBlock bottleneck growth count =
        chain [
            for place in 1..count do
                name $"denselayer{place}" (concat [ identity; denseLayer bottleneck growth ])
        ]

    let private transition channels =
        chain [
            name "norm" batchNorm
            name "relu" relu
            name "conv" (ImageNet.plain 1 1 channels)
            name "pool" (avgPool 2)
        ]

    let private net classes counts stem bottleneck growth =
        let last = List.length counts

        // Channels after each dense block but the last are halved by the transition behind it.
        let blocks =
            List.indexed counts
            |> List.mapFold
                (fun channels (index, layers) ->
                    let place, grown = index + 1, channels + layers * growth
                    let block = name $"denseblock{place}" (denseBlock bottleneck growth layers)

                    if place = last then
                        [ block ], grown
                    else
                        [ block; name $"transition{place}" (transition (grown / 2)) ], grown / 2)
                stem
            |> fst

        let features =
            chain [
                name "conv0" (ImageNet.plain 7 2 stem)
                name "norm0" batchNorm
                name "relu0" relu
                name "pool0" (maxPoolWith (Pool2d.square 3 2 1))
                yield! List.concat blocks
                name "norm5" batchNorm
            ]

        chain [ name "features" features; relu; globalAvgPool; flatten; name "classifier" (linear classes) ]

    let private family named counts growth stem : ModelFamily = {
        Name = named
        Hparams = [
            ImageNet.classes
            HparamSpec.counts "block_config" counts
            HparamSpec.int "growth_rate" growth Limits.growth
            HparamSpec.int "num_init_features" stem Limits.channels
            HparamSpec.int "bn_size" 4 Limits.growth
        ]
        Build =
            fun values ->
                let classes = values.Int "num_classes"

                Ok {
                    Name = named
                    Hparams = values.All
                    Classes = classes
                    Net =
                        net
                            classes
                            (values.Ints "block_config")
                            (values.Int "num_init_features")
                            (values.Int "bn_size")
                            (values.Int "growth_rate")
                    Initialisation = Initialisation.redrawn (Redraw.Kaiming(Fan.In, Activation.Relu)) Redraw.Kept
                    Input = ImageNet.input
                    Normalisation = ImageNet.normalisation
                    Published = ImageNet.sgd
                }
    }

    /// `densenet121` to `densenet201`, each a point of the same family.
    let families: ModelFamily list = [
        family "densenet121" [ 6; 12; 24; 16 ] 32 64
        family "densenet161" [ 6; 12; 36; 24 ] 48 96
        family "densenet169" [ 6; 12; 32; 32 ] 32 64
        family "densenet201" [ 6; 12; 48; 32 ] 32 64
    ]
