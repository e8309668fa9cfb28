namespace Hybrid

open Hybrid.Combinators

/// Residual networks for ImageNet, with torchvision's names: He et al., "Deep Residual Learning", 2016; Xie et al.,
/// "Aggregated Residual Transformations" (ResNeXt), 2017; Zagoruyko and Komodakis, "Wide Residual Networks", 2016. The
/// stride is on the 3×3 convolution, as in torchvision ("ResNet v1.5").
[<RequireQualifiedAccess>]
module TorchvisionResNet =

    /// Channels of the first group; each other group doubles them.
    let private stem = 64

    let private convNorm place kernel step groups channels = [
        name
            $"conv{place}"
            (convWith (Conv2d.square kernel channels |> Conv2d.noBias |> Conv2d.stride step |> Conv2d.groups groups))
        name $"bn{place}" batchNorm
    ]

    let private between = [ name "relu" relu ]

    /// Two 3×3 convolutions.
    let private basic step channels = convNorm 1 3 step 1 channels @ between @ convNorm 2 3 1 1 channels

    /// A 3×3 convolution of `inner` channels in groups, between two 1×1.
    let private bottleneck groups inner step outs =
        convNorm 1 1 1 1 inner @ between @ convNorm 2 3 step groups inner @ between @ convNorm 3 1 1 1 outs

    /// A body added to its input, or to what a 1×1 convolution makes of it where that has another shape.
    let private block body shortcut = sum [ chain body; shortcut ] >>> name "relu" relu

    let private downsample step channels = name "downsample" (sequential [ ImageNet.plain 1 step channels; batchNorm ])

    /// Groups of blocks, of which all but the first begin with a stride of 2. `expansion` outputs of a block for each of
    /// its planes; `body step planes outs` makes one.
    let private net classes layers expansion body =
        let group (channels, groups) (index, count) =
            let planes = stem <<< index
            let outs = expansion * planes

            let blocks =
                List.init count (fun place ->
                    let step = if index > 0 && place = 0 then 2 else 1
                    let changes = step > 1 || place = 0 && channels <> outs
                    block (body step planes outs) (if changes then downsample step outs else identity))

            outs, groups @ [ name $"layer{index + 1}" (sequential blocks) ]

        chain [
            name "conv1" (ImageNet.plain 7 2 stem)
            name "bn1" batchNorm
            name "relu" relu
            name "maxpool" (maxPoolWith (Pool2d.square 3 2 1))
            yield! List.indexed layers |> List.fold group (stem, []) |> snd
            name "avgpool" globalAvgPool
            flatten
            name "fc" (linear classes)
        ]

    let private layers usual = HparamSpec.counts "layers" usual

    /// More groups of blocks would have more channels than `Limits.channels`.
    let private mostGroups = 9

    let private family family published specs (build: Hparams -> int list -> Net) : ModelFamily = {
        Name = family
        Hparams = ImageNet.classes :: specs
        Build =
            fun values ->
                match values.Ints "layers" with
                | layers when layers.Length > mostGroups ->
                    Error $"hyperparameter layers has {layers.Length} groups of blocks, expected at most {mostGroups}"
                | layers ->
                    Ok {
                        Name = family
                        Hparams = values.All
                        Classes = values.Int "num_classes"
                        Net = build values layers
                        Initialisation = Initialisation.KaimingNormal(Fan.Out, Activation.Relu)
                        Input = ImageNet.input
                        Normalisation = ImageNet.normalisation
                        Published = published
                    }
    }

    let private ofBasic named counts =
        family named ImageNet.sgd [ layers counts ] (fun values layers ->
            net (values.Int "num_classes") layers 1 (fun step _ outs -> basic step outs))

    let private ofBottlenecks named published counts groups width =
        family
            named
            published
            [
                layers counts
                HparamSpec.int "groups" groups Limits.channels
                HparamSpec.int "width_per_group" width Limits.channels
            ]
            (fun values layers ->
                let groups, width = values.Int "groups", values.Int "width_per_group"

                net (values.Int "num_classes") layers 4 (fun step planes outs ->
                    let inner = int64 planes * int64 width / int64 stem * int64 groups
                    bottleneck groups (int (min inner (int64 System.Int32.MaxValue))) step outs))

    /// ResNeXt's own training was longer.
    let private longer = { ImageNet.sgd with Epochs = 100 }

    let private deep = [ 3; 4; 23; 3 ]

    /// `resnet18` to `resnet152`, the ResNeXt and the wide ones, each a point of the same family.
    let families: ModelFamily list = [
        ofBasic "resnet18" [ 2; 2; 2; 2 ]
        ofBasic "resnet34" [ 3; 4; 6; 3 ]
        ofBottlenecks "resnet50" ImageNet.sgd [ 3; 4; 6; 3 ] 1 64
        ofBottlenecks "resnet101" ImageNet.sgd deep 1 64
        ofBottlenecks "resnet152" ImageNet.sgd [ 3; 8; 36; 3 ] 1 64
        ofBottlenecks "resnext50_32x4d" longer [ 3; 4; 6; 3 ] 32 4
        ofBottlenecks "resnext101_32x8d" longer deep 32 8
        ofBottlenecks "resnext101_64x4d" longer deep 64 4
        ofBottlenecks "wide_resnet50_2" ImageNet.sgd [ 3; 4; 6; 3 ] 1 128
        ofBottlenecks "wide_resnet101_2" ImageNet.sgd deep 1 128
    ]
