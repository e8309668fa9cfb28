namespace Hybrid

open Hybrid.Combinators

/// Residual networks for ImageNet with norm and activation before each convolution, with timm's names: He et al., "Identity
/// Mappings in Deep Residual Networks", 2016.
[<RequireQualifiedAccess>]
module PreActivationResNet =

    let private stem = 64

    let private normAct place = [ name $"norm{place}" batchNorm; name $"act{place}" relu ]

    /// A block whose first norm is its shortcut's as well, where that is a convolution.
    let private block (body: Net list) downsample =
        match downsample with
        | None -> residual (chain (normAct 1 @ body))
        | Some conv ->
            chain (normAct 1 @ [ sum [ chain body; name "downsample" (name "conv" conv) ] ])
            |> ordered [ "downsample" ]

    let private basic step outs = [
        name "conv1" (ImageNet.plain 3 step outs)
        yield! normAct 2
        name "conv2" (ImageNet.plain 3 1 outs)
    ]

    let private bottleneck step outs =
        let inner = ImageNet.eights (float outs / 4.0)

        [
            name "conv1" (ImageNet.plain 1 1 inner)
            yield! normAct 2
            name "conv2" (ImageNet.plain 3 step inner)
            yield! normAct 3
            name "conv3" (ImageNet.plain 1 1 outs)
        ]

    let private net classes layers channels isBasic =
        let group ins (place, (count, outs)) =
            let blocks =
                List.init count (fun index ->
                    let step = if place > 0 && index = 0 then 2 else 1
                    let changes = step > 1 || index = 0 && ins <> outs
                    // Bottlenecks have it in each group, whether or not anything changes.
                    let has = if isBasic then changes else index = 0
                    let body = if isBasic then basic step outs else bottleneck step outs
                    block body (if has then Some(ImageNet.plain 1 step outs) else None))

            name (string place) (name "blocks" (sequential blocks)), outs

        let groups = List.zip layers channels |> List.indexed |> List.mapFold group stem |> fst

        chain [
            name
                "stem"
                (chain [ name "conv" (ImageNet.plain 7 2 stem); name "pool" (maxPoolWith (Pool2d.square 3 2 1)) ])
            name "stages" (chain groups)
            name "norm" batchNorm
            name "act" relu
            name
                "head"
                (chain [ name "global_pool" globalAvgPool; name "fc" (conv1x1 classes); name "flatten" flatten ])
        ]

    let private initialisation =
        Initialisation.Redrawn {
            Convolutions = Redraw.Kaiming(Fan.Out, Activation.Relu)
            Linear = Redraw.Normal 0.01
            ZeroBiases = true
            Others = [ "head.fc", Redraw.Normal 0.01 ]
        }

    let private family (depth, layers, isBasic) : ModelFamily =
        let named = $"resnetv2_{depth}"
        let channels = [ for place in 0..3 -> (if isBasic then 64 else 256) <<< place ]

        {
            Name = named
            Hparams = [
                ImageNet.classes
                HparamSpec.counts "layers" layers
                HparamSpec.ints "channels" channels Limits.channels
            ]
            Build =
                fun values ->
                    let layers, channels = values.Ints "layers", values.Ints "channels"
                    let classes = values.Int "num_classes"

                    if layers.Length = channels.Length then
                        Ok {
                            Name = named
                            Hparams = values.All
                            Classes = classes
                            Net = net classes layers channels isBasic
                            Initialisation = initialisation
                            Input = ImageNet.input
                            Normalisation = ImageNet.halves
                            Published = ImageNet.sgd
                        }
                    else
                        let lengths = $"{layers.Length} and {channels.Length}"
                        Error $"layers and channels have {lengths} values, expected as many of one as of the other"
        }

    /// `resnetv2_18` to `resnetv2_152`.
    let families: ModelFamily list = [
        for it in
            [
                18, [ 2; 2; 2; 2 ], true
                34, [ 3; 4; 6; 3 ], true
                50, [ 3; 4; 6; 3 ], false
                101, [ 3; 4; 23; 3 ], false
                152, [ 3; 8; 36; 3 ], false
            ] do
            family it
    ]
