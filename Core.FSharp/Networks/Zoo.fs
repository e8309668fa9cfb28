namespace Hybrid

open Hybrid.Combinators

/// A named network that can be built, described and stored.
type Model = {
    Name: string
    /// As given or by default, in the order of the published definition.
    Hparams: (string * Hparam) list
    Classes: int
    Net: Net
    Initialisation: Initialisation
}

/// GoogleNet for small images.
type GoogleNet = { NumClasses: int; Activation: Activation }

[<RequireQualifiedAccess>]
type ResNetBlock =
    | ResNet
    | PreActResNet

type ResNet = {
    NumClasses: int
    /// Blocks in each group; every group but the first halves the map.
    NumBlocks: int list
    /// Channels of each group.
    Channels: int list
    Activation: Activation
    Block: ResNetBlock
}

type DenseNet = {
    NumClasses: int
    /// Layers in each dense block; between two blocks the map is halved.
    NumLayers: int list
    /// A layer's bottleneck is this many times its growth.
    Bottleneck: int
    Growth: int
    Activation: Activation
}

/// The networks of the UvA deep-learning tutorial 5, for images of 32×32 and larger.
[<RequireQualifiedAccess>]
module Zoo =

    let private head classes = [ globalAvgPool; flatten; linear classes ]

    let private network parts = parts |> List.map (fun (segment, layers) -> name segment (sequential layers)) |> chain

    let private hparams classes activation between = [
        yield "num_classes", Hparam.Int classes
        yield! between
        yield "act_fn_name", Hparam.Text(Activations.name activation)
    ]

    let googleNet (p: GoogleNet) =
        let act = p.Activation

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

        {
            Name = "GoogleNet"
            Hparams = hparams p.NumClasses act []
            Classes = p.NumClasses
            Net =
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
                    "output_net", head p.NumClasses
                ]
            Initialisation = Initialisation.KaimingNormal(Fan.In, act)
        }

    let resNet (p: ResNet) =
        let act = p.Activation
        let stem = convWith (Conv2d.square 3 (List.head p.Channels) |> Conv2d.noBias)

        let block, stem, modelName =
            match p.Block with
            | ResNetBlock.ResNet -> Blocks.resNet, [ stem; batchNorm; activation act ], "ResNet"
            | ResNetBlock.PreActResNet -> Blocks.preActResNet, [ stem ], "ResNetPreAct"

        let blocks =
            List.zip p.NumBlocks p.Channels
            |> List.mapi (fun group (count, channels) ->
                List.init count (fun place -> block act (group > 0 && place = 0) channels))
            |> List.concat

        let blockName =
            match p.Block with
            | ResNetBlock.ResNet -> "ResNetBlock"
            | ResNetBlock.PreActResNet -> "PreActResNetBlock"

        {
            Name = modelName
            Hparams =
                hparams p.NumClasses act [ "num_blocks", Hparam.Ints p.NumBlocks; "c_hidden", Hparam.Ints p.Channels ]
                @ [ "block_name", Hparam.Text blockName ]
            Classes = p.NumClasses
            Net = network [ "input_net", stem; "blocks", blocks; "output_net", head p.NumClasses ]
            Initialisation = Initialisation.KaimingNormal(Fan.Out, act)
        }

    let denseNet (p: DenseNet) =
        let act = p.Activation
        let stem = p.Growth * p.Bottleneck
        let last = List.length p.NumLayers - 1

        /// Channels after each dense block, halved by the transition behind it.
        let blocks =
            List.indexed p.NumLayers
            |> List.mapFold
                (fun channels (index, layers) ->
                    let dense = Blocks.denseBlock act p.Bottleneck p.Growth layers
                    let grown = channels + layers * p.Growth

                    if index = last then
                        [ dense ], grown
                    else
                        [ dense; Blocks.transition act (grown / 2) ], grown / 2)
                stem
            |> fst

        {
            Name = "DenseNet"
            Hparams =
                hparams p.NumClasses act [
                    "num_layers", Hparam.Ints p.NumLayers
                    "bn_size", Hparam.Int p.Bottleneck
                    "growth_rate", Hparam.Int p.Growth
                ]
            Classes = p.NumClasses
            Net =
                network [
                    "input_net", [ conv stem ]
                    "blocks", List.concat blocks
                    "output_net", batchNorm :: activation act :: head p.NumClasses
                ]
            Initialisation = Initialisation.KaimingNormal(Fan.In, act)
        }
