namespace Hybrid

open Hybrid.Combinators

/// EfficientNet for phones, with timm's names: no squeezing, ReLU6, and, since its weights come from TensorFlow, norms with
/// an epsilon of 1e-3 and padding that is uneven where a stride leaves a remainder. Liu, "Higher accuracy on vision models
/// with EfficientNet-Lite", 2020.
[<RequireQualifiedAccess>]
module EfficientNetLite =

    /// First and last are of one size, whatever the width.
    let private stem, private last = 32, 1280

    let private conv segment (it: Conv2d) = name segment (convWith (it |> Conv2d.noBias |> Conv2d.same))

    let private norm segment = name segment (batchNormWith 1e-3 BatchNorm2d.momentum)

    let private act = activation Activation.Relu6

    /// A depthwise convolution between two 1×1; without the first where nothing is expanded.
    let private body expansion kernel step ins outs =
        let wide = expansion * ins
        let depthwise = conv "conv_dw" (Conv2d.depthwise kernel wide |> Conv2d.stride step)

        if expansion = 1 then
            chain [ depthwise; norm "bn1"; act; conv "conv_pw" (Conv2d.square 1 outs); norm "bn2" ]
        else
            chain [
                conv "conv_pw" (Conv2d.square 1 wide)
                norm "bn1"
                act
                depthwise
                norm "bn2"
                act
                conv "conv_pwl" (Conv2d.square 1 outs)
                norm "bn3"
            ]

    let private block expansion kernel step ins outs rate =
        let body = body expansion kernel step ins outs

        if step = 1 && ins = outs then
            residual (chain [ body; ImageNet.leavingOut rate ])
        else
            body

    let private net classes (width: float) (depth: float) dropped leftOut =
        let stages = EfficientNet.stages
        let final = stages.Length - 1

        let counts = [
            for place, (_, _, _, _, count) in List.indexed stages do
                if place = 0 || place = final then count else int (ceil (float count * depth))
        ]

        let all = List.sum counts

        let stage (ins, before, done') ((expansion, kernel, step, channels, _), count) =
            let outs = ImageNet.eights (float channels * width)

            let blocks =
                List.init count (fun place ->
                    let ins, step = if place = 0 then ins, step else outs, 1
                    block expansion kernel step ins outs (leftOut * float (before + place) / float all))

            outs, before + count, done' @ [ sequential blocks ]

        let _, _, staged = List.zip stages counts |> List.fold stage (stem, 0, [])

        chain [
            conv "conv_stem" (Conv2d.square 3 stem |> Conv2d.stride 2)
            norm "bn1"
            act
            name "blocks" (sequential staged)
            conv "conv_head" (Conv2d.square 1 last)
            norm "bn2"
            act
            name "global_pool" (globalAvgPool >>> flatten)
            if dropped > 0.0 then
                name "drop" (dropout dropped)
            name "classifier" (linear classes)
        ]

    let private family (size, side, width, depth) : ModelFamily =
        let named = $"tf_efficientnet_lite{size}"

        {
            Name = named
            Hparams = [
                ImageNet.classes
                ImageNet.width width
                HparamSpec.number "depth_mult" depth 0.01 Limits.multiple
                ImageNet.dropout 0.0
                ImageNet.depthDropout 0.0
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
                                (values.Number "width_mult")
                                (values.Number "depth_mult")
                                (values.Number "dropout")
                                (values.Number "stochastic_depth_prob")
                        Initialisation = Initialisation.redrawn Redraw.KaimingOfGroup Redraw.UniformByOutputs
                        Input = Shape.Image(3, side, side)
                        Normalisation = ImageNet.halves
                        Published = EfficientNet.training
                    }
        }

    /// `tf_efficientnet_lite0` to `tf_efficientnet_lite4`.
    let families: ModelFamily list = [
        for it in [ 0, 224, 1.0, 1.0; 1, 240, 1.0, 1.1; 2, 260, 1.1, 1.2; 3, 280, 1.2, 1.4; 4, 300, 1.4, 1.8 ] do
            family it
    ]
