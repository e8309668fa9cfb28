namespace Hybrid

open Hybrid.Combinators

/// Networks that grow in width, depth and image size together, with torchvision's names: Tan and Le, "EfficientNet:
/// Rethinking Model Scaling for Convolutional Neural Networks", 2019.
[<RequireQualifiedAccess>]
module EfficientNet =

    /// Stages of the smallest: expansion, kernel, stride, channels, blocks.
    let internal stages = [
        1, 3, 1, 16, 1
        6, 3, 2, 24, 2
        6, 5, 2, 40, 2
        6, 3, 2, 80, 3
        6, 5, 1, 112, 3
        6, 5, 2, 192, 4
        6, 3, 1, 320, 1
    ]

    let private net (norm: Net) classes (width: float) (depth: float) dropped leftOut =
        let wide channels = ImageNet.eights (float channels * width)

        let convNorm act conv =
            [
                convWith (Conv2d.noBias conv)
                norm
                match act with
                | Some act -> activation act
                | None -> ()
            ]
            |> sequential

        let act = Some Activation.Silu

        let block expansion kernel step ins outs rate =
            let expanded = ImageNet.eights (float (ins * expansion))

            let body =
                name
                    "block"
                    (sequential [
                        if expanded <> ins then
                            convNorm act (Conv2d.square 1 expanded)
                        convNorm act (Conv2d.depthwise kernel expanded |> Conv2d.stride step)
                        Blocks.squeezeExcitation Activation.Silu Activation.Sigmoid (max 1 (ins / 4)) expanded
                        convNorm None (Conv2d.square 1 outs)
                    ])

            if step = 1 && ins = outs then
                residual (body >>> ImageNet.leavingOut rate)
            else
                body

        let counts = [ for _, _, _, _, count in stages -> int (ceil (float count * depth)) ]
        let all = List.sum counts
        let stem = wide 32

        let stage (ins, before, done') ((expansion, kernel, step, channels, _), count) =
            let outs = wide channels

            let blocks =
                List.init count (fun place ->
                    let ins, step = if place = 0 then ins, step else outs, 1
                    // The deeper the more often.
                    let rate = leftOut * float (before + place) / float all
                    block expansion kernel step ins outs rate)

            outs, before + count, done' @ [ sequential blocks ]

        let last, _, staged = List.zip stages counts |> List.fold stage (stem, 0, [])

        chain [
            name
                "features"
                (sequential [
                    yield convNorm act (Conv2d.square 3 stem |> Conv2d.stride 2)
                    yield! staged
                    yield convNorm act (Conv2d.square 1 (4 * last))
                ])
            name "avgpool" globalAvgPool
            flatten
            name "classifier" (sequential [ dropout dropped; linear classes ])
        ]

    /// The authors' training, whose rate falls by 3% every 2.4 epochs.
    let internal training = {
        ImageNet.sgd with
            Optimizer = "rmsprop"
            Settings = [ "momentum", 0.9; "alpha", 0.9; "eps", 1e-3; "weight-decay", 1e-5 ]
            LearningRate = 0.256
            BatchSize = 4096
            Epochs = 350
            WarmUp = 5
            Falls = Falls.Every(1, 0.97 ** (1.0 / 2.4))
            LabelSmoothing = 0.1
            Average = Some 0.9999
    }

    let private family (size, side, width, depth, dropped) : ModelFamily =
        let named = $"efficientnet_b{size}"
        let norm = if size >= 5 then batchNormWith 1e-3 0.01 else batchNorm

        {
            Name = named
            Hparams = [
                ImageNet.classes
                ImageNet.width width
                HparamSpec.number "depth_mult" depth 0.01 Limits.multiple
                ImageNet.dropout dropped
                ImageNet.depthDropout 0.2
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
                                norm
                                classes
                                (values.Number "width_mult")
                                (values.Number "depth_mult")
                                (values.Number "dropout")
                                (values.Number "stochastic_depth_prob")
                        Initialisation =
                            Initialisation.redrawn (Redraw.Kaiming(Fan.Out, Activation.Relu)) Redraw.UniformByOutputs
                        Input = Shape.Image(3, side, side)
                        Normalisation = ImageNet.normalisation
                        Published = training
                    }
        }

    /// `efficientnet_b0` to `efficientnet_b7`: image size, width, depth and dropout grow together.
    let families: ModelFamily list = [
        for it in
            [
                0, 224, 1.0, 1.0, 0.2
                1, 240, 1.0, 1.1, 0.2
                2, 288, 1.1, 1.2, 0.3
                3, 300, 1.2, 1.4, 0.3
                4, 380, 1.4, 1.8, 0.4
                5, 456, 1.6, 2.2, 0.4
                6, 528, 1.8, 2.6, 0.5
                7, 600, 2.0, 3.1, 0.5
            ] do
            family it
    ]
