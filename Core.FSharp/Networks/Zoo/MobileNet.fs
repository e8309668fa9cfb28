namespace Hybrid

open Hybrid.Combinators

/// One block of MobileNet v3, in channels of the published width.
type private MobileBlock = {
    Kernel: int
    Expanded: int
    Outs: int
    Squeezes: bool
    Act: Activation
    Step: int
}

/// Networks for phones, with torchvision's names: Sandler et al., "MobileNetV2: Inverted Residuals and Linear
/// Bottlenecks", 2018; Howard et al., "Searching for MobileNetV3", 2019.
[<RequireQualifiedAccess>]
module MobileNet =

    /// Convolution, norm and an activation, numbered.
    let private convNorm (norm: Net) act (conv: Conv2d) =
        [
            convWith (Conv2d.noBias conv)
            norm
            match act with
            | Some act -> activation act
            | None -> ()
        ]
        |> sequential

    /// The body added to its input, where that has its shape.
    let private inverted step ins outs body = if step = 1 && ins = outs then residual body else body

    let private initialisation =
        Initialisation.redrawn (Redraw.Kaiming(Fan.Out, Activation.Relu)) (Redraw.Normal 0.01)

    /// Expansion, channels, blocks, and stride of the first of them.
    let private second = [ 1, 16, 1, 1; 6, 24, 2, 2; 6, 32, 3, 2; 6, 64, 4, 2; 6, 96, 3, 1; 6, 160, 3, 2; 6, 320, 1, 1 ]

    let private netOfSecond classes (width: float) dropped =
        let wide channels = ImageNet.eights (float channels * width)
        let convNorm = convNorm batchNorm (Some Activation.Relu6)

        let block step expansion ins outs =
            let expanded = expansion * ins

            name
                "conv"
                (sequential [
                    if expansion <> 1 then
                        convNorm (Conv2d.square 1 expanded)
                    convNorm (Conv2d.depthwise 3 expanded |> Conv2d.stride step)
                    ImageNet.plain 1 1 outs
                    batchNorm
                ])
            |> inverted step ins outs

        let stem = wide 32

        let blocks =
            second
            |> List.collect (fun (expansion, outs, count, step) ->
                List.init count (fun place -> expansion, wide outs, (if place = 0 then step else 1)))
            |> List.mapFold (fun ins (expansion, outs, step) -> block step expansion ins outs, outs) stem
            |> fst

        let last = ImageNet.eights (1280.0 * max 1.0 width)

        chain [
            name
                "features"
                (sequential [
                    yield convNorm (Conv2d.square 3 stem |> Conv2d.stride 2)
                    yield! blocks
                    yield convNorm (Conv2d.square 1 last)
                ])
            globalAvgPool
            flatten
            name "classifier" (sequential [ dropout dropped; linear classes ])
        ]

    let private blockOf kernel expanded outs squeezes act step = {
        Kernel = kernel
        Expanded = expanded
        Outs = outs
        Squeezes = squeezes
        Act = act
        Step = step
    }

    let private large =
        let relu, swish = Activation.Relu, Activation.Hardswish

        [
            blockOf 3 16 16 false relu 1
            blockOf 3 64 24 false relu 2
            blockOf 3 72 24 false relu 1
            blockOf 5 72 40 true relu 2
            blockOf 5 120 40 true relu 1
            blockOf 5 120 40 true relu 1
            blockOf 3 240 80 false swish 2
            blockOf 3 200 80 false swish 1
            blockOf 3 184 80 false swish 1
            blockOf 3 184 80 false swish 1
            blockOf 3 480 112 true swish 1
            blockOf 3 672 112 true swish 1
            blockOf 5 672 160 true swish 2
            blockOf 5 960 160 true swish 1
            blockOf 5 960 160 true swish 1
        ]

    let private small =
        let relu, swish = Activation.Relu, Activation.Hardswish

        [
            blockOf 3 16 16 true relu 2
            blockOf 3 72 24 false relu 2
            blockOf 3 88 24 false relu 1
            blockOf 5 96 40 true swish 2
            blockOf 5 240 40 true swish 1
            blockOf 5 240 40 true swish 1
            blockOf 5 120 48 true swish 1
            blockOf 5 144 48 true swish 1
            blockOf 5 288 96 true swish 2
            blockOf 5 576 96 true swish 1
            blockOf 5 576 96 true swish 1
        ]

    let private netOfThird blocks last classes (width: float) dropped =
        let wide channels = ImageNet.eights (float channels * width)
        let norm = batchNormWith 1e-3 0.01
        let convNorm = convNorm norm

        let block ins (it: MobileBlock) =
            let expanded, outs = wide it.Expanded, wide it.Outs

            name
                "block"
                (sequential [
                    if expanded <> ins then
                        convNorm (Some it.Act) (Conv2d.square 1 expanded)
                    convNorm (Some it.Act) (Conv2d.depthwise it.Kernel expanded |> Conv2d.stride it.Step)
                    if it.Squeezes then
                        let squeezed = ImageNet.eights (float (expanded / 4))
                        Blocks.squeezeExcitation Activation.Relu Activation.Hardsigmoid squeezed expanded
                    convNorm None (Conv2d.square 1 outs)
                ])
            |> inverted it.Step ins outs

        let stem = wide 16
        let blocks, outs = blocks |> List.mapFold (fun ins it -> block ins it, wide it.Outs) stem

        chain [
            name
                "features"
                (sequential [
                    yield convNorm (Some Activation.Hardswish) (Conv2d.square 3 stem |> Conv2d.stride 2)
                    yield! blocks
                    yield convNorm (Some Activation.Hardswish) (Conv2d.square 1 (6 * outs))
                ])
            globalAvgPool
            flatten
            name
                "classifier"
                (sequential [ linear (wide last); activation Activation.Hardswish; dropout dropped; linear classes ])
        ]

    /// Torchvision's training of MobileNet v2.
    let private secondTraining = {
        ImageNet.sgd with
            Settings = [ "weight-decay", 4e-5 ]
            LearningRate = 0.045
            Epochs = 300
            Falls = Falls.Every(1, 0.98)
    }

    /// Torchvision's training of MobileNet v3.
    let private thirdTraining = {
        ImageNet.sgd with
            Optimizer = "rmsprop"
            Settings = [ "momentum", 0.9; "alpha", 0.9; "eps", 0.0316; "weight-decay", 1e-5 ]
            LearningRate = 0.064
            BatchSize = 1024
            Epochs = 600
            Falls = Falls.Every(2, 0.973)
    }

    let private family named published net : ModelFamily = {
        Name = named
        Hparams = [ ImageNet.classes; ImageNet.width 1.0; ImageNet.dropout 0.2 ]
        Build =
            fun values ->
                let classes = values.Int "num_classes"

                Ok {
                    Name = named
                    Hparams = values.All
                    Classes = classes
                    Net = net classes (values.Number "width_mult") (values.Number "dropout")
                    Initialisation = initialisation
                    Input = ImageNet.input
                    Normalisation = ImageNet.normalisation
                    Published = published
                }
    }

    /// `mobilenet_v2`, `mobilenet_v3_small` and `mobilenet_v3_large`, of any width.
    let families: ModelFamily list = [
        family "mobilenet_v2" secondTraining netOfSecond
        family "mobilenet_v3_small" thirdTraining (netOfThird small 1024)
        family "mobilenet_v3_large" thirdTraining (netOfThird large 1280)
    ]
