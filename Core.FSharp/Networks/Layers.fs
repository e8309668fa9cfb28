namespace Hybrid

/// What a stored layer's settings are read by. Each function takes a setting's name.
type SettingReader = {
    Whole: string -> int
    Number: string -> float
    Sides: string -> Sides
    Padding: string -> Padding
    Switch: string -> bool
    /// Whether it is there at all.
    Has: string -> bool
}

/// The home of every layer: what it is called, what it is made with, which shapes and tensors follow. Whoever describes,
/// stores, draws or runs networks asks here.
[<RequireQualifiedAccess>]
module Layers =

    let private largest = int64 System.Int32.MaxValue

    /// A problem with each number that is below its minimum.
    let atLeast minimum (settings: (string * int) list) =
        settings
        |> List.filter (fun (_, value) -> value < minimum)
        |> List.map (fun (setting, value) -> ShapeProblem.BelowMinimum(setting, value, minimum))

    /// A map of so many channels that a window makes of one.
    let private slideOver (window: Window) channels got =
        match got with
        | Shape.Features _ -> Error(ShapeProblem.NeedsImage got)
        | Shape.Image(_, height, width) ->
            let extent side = int64 (side window.Dilation) * (int64 (side window.Kernel) - 1L) + 1L

            let slide side margins length =
                Shape.slideBetween window.Ceiling (extent side) (side window.Stride) margins length

            let rows, columns =
                match window.Padding with
                | Padding.Even sides -> (sides.Height, sides.Height), (sides.Width, sides.Width)
                | Padding.Uneven it -> (it.Top, it.Bottom), (it.Left, it.Right)
                | Padding.Same -> invalidOp "same padding is worked out before"

            match slide _.Height rows height, slide _.Width columns width with
            | 0L, _
            | _, 0L ->
                let capped side = int (min (extent side) largest)
                let window' = { Height = capped _.Height; Width = capped _.Width }
                Error(ShapeProblem.WindowTooLarge(window', window.Padding, got))
            | height, width ->
                let elements = Shape.volume [ int64 channels; height; width ]

                if elements > largest then
                    Error(ShapeProblem.TooLarge elements)
                else
                    Ok(Shape.Image(channels, int height, int width))

    let private windowProblems (window: Window) =
        let both (setting: string) (sides: Sides) =
            match sides with
            | Sides.Square side -> [ setting, side ]
            | sides -> [ $"{setting} height", sides.Height; $"{setting} width", sides.Width ]

        atLeast 1 (both "kernel" window.Kernel @ both "stride" window.Stride @ both "dilation" window.Dilation)
        @ atLeast
            0
            (match window.Padding with
             | Padding.Even sides -> both "padding" sides
             | Padding.Uneven it -> [
                 "padding above", it.Top
                 "padding below", it.Bottom
                 "padding on the left", it.Left
                 "padding on the right", it.Right
               ]
             | Padding.Same -> [])

    let private tensor role key dims first = { Key = key; Dims = dims; Role = role; First = first }

    /// Weight and bias as PyTorch draws them for convolutions and linear layers.
    let private drawn dims outs bias =
        let fan = dims |> List.tail |> List.fold (*) 1

        [
            tensor Role.Weight "weight" dims (FirstDraw.Uniform(Initialisation.weightBound fan))
            if bias then
                tensor Role.Bias "bias" [ outs ] (FirstDraw.Uniform(Initialisation.biasBound fan))
        ]

    /// A scale of one and a shift of zero for each channel.
    let private affine channels = [
        tensor Role.Weight "weight" [ channels ] (FirstDraw.Constant 1.0)
        tensor Role.Bias "bias" [ channels ] (FirstDraw.Constant 0.0)
    ]

    let private outcome tensors macs out = { Out = out; Tensors = tensors; Macs = macs; As = None }

    /// A layer that has no settings, no tensors and no multiply-adds.
    let private plain name kind kept storage (shape: Shape -> Result<Shape, ShapeProblem>) : LayerFacts = {
        Type = name
        Kind = kind
        Settings = []
        Window = None
        Problems = []
        On = fun got -> shape got |> Result.map (outcome [] 0L)
        Kept = kept
        Storage = storage
        Random = false
    }

    let private pool name (it: Pool2d) : LayerFacts =
        let window = {
            Kernel = Sides.square it.Kernel
            Stride = Sides.square it.Stride
            Padding = Padding.Even(Sides.square it.Padding)
            Dilation = Sides.square 1
            Ceiling = it.Ceiling
        }

        let shape got =
            match got with
            | Shape.Image(channels, _, _) -> slideOver window channels got
            | Shape.Features _ -> Error(ShapeProblem.NeedsImage got)

        {
            plain name LayerKind.Pool Kept.Input Storage.New shape with
                Settings = [
                    "kernel", Setting.Whole it.Kernel
                    "stride", Setting.Whole it.Stride
                    "padding", Setting.Whole it.Padding
                    if it.Ceiling then
                        "ceiling", Setting.Switch true
                ]
                Window = Some window
                Problems =
                    match windowProblems window with
                    | [] when it.Padding > it.Kernel / 2 -> [ ShapeProblem.PoolPaddingTooLarge(it.Kernel, it.Padding) ]
                    | problems -> problems
        }

    let private convolution (it: Conv2d) : LayerFacts =
        let window = {
            Kernel = it.Kernel
            Stride = it.Stride
            Padding = it.Padding
            Dilation = it.Dilation
            Ceiling = false
        }

        let inGroups channels = it.Groups < 1 || channels % it.Groups = 0

        {
            Type = "Conv2d"
            Kind = LayerKind.Convolution
            Settings = [
                "channels", Setting.Whole it.Channels
                "kernel", Setting.Sides it.Kernel
                "stride", Setting.Sides it.Stride
                "padding", Setting.Padding it.Padding
                if it.Dilation <> Sides.square 1 then
                    "dilation", Setting.Sides it.Dilation
                if it.Groups <> 1 then
                    "groups", Setting.Whole it.Groups
                "bias", Setting.Switch it.Bias
            ]
            Window = Some window
            Problems = [
                yield! atLeast 1 [ "channels", it.Channels; "groups", it.Groups ]
                if not (inGroups it.Channels) then
                    ShapeProblem.NotInGroups(it.Channels, it.Groups)
                yield! windowProblems window
            ]
            On =
                fun got ->
                    let fitted =
                        match got with
                        | Shape.Image(_, height, width) -> Padding.onMap height width it
                        | Shape.Features _ -> it

                    // With its margins it is a map of its own.
                    let padded =
                        match fitted.Padding, got with
                        | Padding.Uneven it, Shape.Image(channels, height, width) ->
                            let rows = int64 height + int64 it.Top + int64 it.Bottom
                            let columns = int64 width + int64 it.Left + int64 it.Right
                            Shape.volume [ int64 channels; rows; columns ]
                        | _ -> 0L

                    match slideOver { window with Padding = fitted.Padding } it.Channels got with
                    | Ok _ when padded > largest -> Error(ShapeProblem.TooLarge padded)
                    | Ok _ when not (inGroups (Shape.channels got)) ->
                        Error(ShapeProblem.NotInGroups(Shape.channels got, it.Groups))
                    | Ok out ->
                        let inputs = Shape.channels got / it.Groups
                        let dims = [ it.Channels; inputs; it.Kernel.Height; it.Kernel.Width ]
                        let taps = dims |> List.tail |> Seq.map int64 |> Shape.volume
                        let macs = Shape.volume [ Shape.elements out; taps ]

                        Ok {
                            outcome (drawn dims it.Channels it.Bias) macs out with
                                As = Some(Layer.Conv2d fitted)
                        }
                    | Error problem -> Error problem
            Kept = Kept.Input
            Storage = Storage.New
            Random = false
        }

    let private linear features bias : LayerFacts = {
        Type = "Linear"
        Kind = LayerKind.Linear
        Settings = [ "features", Setting.Whole features; "bias", Setting.Switch bias ]
        Window = None
        Problems = atLeast 1 [ "features", features ]
        On =
            fun got ->
                match got with
                | Shape.Image _ -> Error(ShapeProblem.NeedsFeatures got)
                | Shape.Features count ->
                    Shape.Features features
                    |> outcome (drawn [ features; count ] features bias) (int64 features * int64 count)
                    |> Ok
        Kept = Kept.Input
        Storage = Storage.New
        Random = false
    }

    /// A linear layer for each pixel of a map.
    let private pixelLinear features bias : LayerFacts = {
        linear features bias with
            Type = "PixelLinear"
            On =
                fun got ->
                    match got with
                    | Shape.Features _ -> Error(ShapeProblem.NeedsImage got)
                    | Shape.Image(count, height, width) ->
                        let elements = Shape.volume [ int64 features; int64 height; int64 width ]

                        if elements > largest then
                            Error(ShapeProblem.TooLarge elements)
                        else
                            Shape.Image(features, height, width)
                            |> outcome
                                (drawn [ features; count ] features bias)
                                (Shape.volume [ elements; int64 count ])
                            |> Ok
    }

    let private positive setting value = [
        if not (value > 0.0 && System.Double.IsFinite value) then
            ShapeProblem.OutOfRange(setting, value, "a number above 0")
    ]

    let private batchNorm (it: BatchNorm2d) : LayerFacts =
        let usual = BatchNorm2d.usual

        let tensors channels =
            affine channels
            @ [
                tensor Role.RunningMean "running_mean" [ channels ] (FirstDraw.Constant 0.0)
                tensor Role.RunningVar "running_var" [ channels ] (FirstDraw.Constant 1.0)
                tensor Role.NumBatchesTracked "num_batches_tracked" [] (FirstDraw.Constant 0.0)
            ]

        {
            plain "BatchNorm2d" LayerKind.Norm Kept.Input Storage.New Ok with
                Settings = [
                    if it.Epsilon <> usual.Epsilon then
                        "epsilon", Setting.Number it.Epsilon
                    if it.Momentum <> usual.Momentum then
                        "momentum", Setting.Number it.Momentum
                ]
                Problems = [
                    yield! positive "epsilon" it.Epsilon
                    if not (it.Momentum >= 0.0 && it.Momentum <= 1.0) then
                        ShapeProblem.OutOfRange("momentum", it.Momentum, "a number from 0 to 1")
                ]
                On =
                    fun got ->
                        match got with
                        | Shape.Image(channels, _, _) -> Ok(outcome (tensors channels) 0L got)
                        | Shape.Features _ -> Error(ShapeProblem.NeedsImage got)
        }

    let private groupNorm groups epsilon : LayerFacts = {
        plain "GroupNorm" LayerKind.Norm Kept.Input Storage.New Ok with
            Settings = [ "groups", Setting.Whole groups; "epsilon", Setting.Number epsilon ]
            Problems = atLeast 1 [ "groups", groups ] @ positive "epsilon" epsilon
            On =
                fun got ->
                    let channels = Shape.channels got

                    if channels % groups = 0 then
                        Ok(outcome (affine channels) 0L got)
                    else
                        Error(ShapeProblem.NotInGroups(channels, groups))
    }

    let private layerNorm epsilon : LayerFacts = {
        plain "LayerNorm2d" LayerKind.Norm Kept.Input Storage.New Ok with
            Settings = [ "epsilon", Setting.Number epsilon ]
            Problems = positive "epsilon" epsilon
            On =
                fun got ->
                    match got with
                    | Shape.Image(channels, _, _) -> Ok(outcome (affine channels) 0L got)
                    | Shape.Features _ -> Error(ShapeProblem.NeedsImage got)
    }

    /// Torchvision holds the tensor under this name beside the layers of a block.
    let private layerScale (initial: float) : LayerFacts = {
        plain "LayerScale" LayerKind.Scale Kept.Input Storage.New Ok with
            Settings = [ "initial", Setting.Number initial ]
            Problems = [
                if not (System.Double.IsFinite initial) then
                    ShapeProblem.OutOfRange("initial", initial, "a finite number")
            ]
            On =
                fun got ->
                    let dims = Shape.channels got :: [ for _ in List.tail (Shape.dims got) -> 1 ]
                    Ok(outcome [ tensor Role.Weight "layer_scale" dims (FirstDraw.Constant initial) ] 0L got)
    }

    let private noise name rate : LayerFacts = {
        plain name LayerKind.Noise Kept.Nothing Storage.New Ok with
            Settings = [ "rate", Setting.Number rate ]
            Problems = [
                if not (rate >= 0.0 && rate < 1.0) then
                    ShapeProblem.OutOfRange("rate", rate, "a number from 0 to below 1")
            ]
            Random = true
    }

    let private activation kind : LayerFacts =
        let facts = Activations.facts kind
        plain facts.Type LayerKind.Activation facts.Kept facts.Storage Ok

    /// The one table of layers.
    let private table (layer: Layer) : LayerFacts =
        match layer with
        | Layer.Conv2d it -> convolution it
        | Layer.Linear(features, bias) -> linear features bias
        | Layer.PixelLinear(features, bias) -> pixelLinear features bias
        | Layer.BatchNorm2d it -> batchNorm it
        | Layer.GroupNorm(groups, epsilon) -> groupNorm groups epsilon
        | Layer.LayerNorm2d epsilon -> layerNorm epsilon
        | Layer.Activation kind -> activation kind
        | Layer.LayerScale initial -> layerScale initial
        | Layer.Dropout rate -> noise "Dropout" rate
        | Layer.StochasticDepth rate -> noise "StochasticDepth" rate
        | Layer.MaxPool2d it -> pool "MaxPool2d" it
        | Layer.AvgPool2d it -> pool "AvgPool2d" it
        | Layer.AdaptiveAvgPool2d ->
            plain "AdaptiveAvgPool2d" LayerKind.Pool Kept.Nothing Storage.New (fun got ->
                match got with
                | Shape.Image(channels, _, _) -> Ok(Shape.Image(channels, 1, 1))
                | Shape.Features _ -> Error(ShapeProblem.NeedsImage got))
        | Layer.Flatten ->
            plain "Flatten" LayerKind.Flatten Kept.Nothing Storage.View (fun got ->
                Ok(Shape.Features(int (Shape.elements got))))

    /// What there is to know of a layer. One whose settings are wrong reads no shape.
    let facts (layer: Layer) : LayerFacts =
        let facts = table layer

        match facts.Problems with
        | [] -> facts
        | problem :: _ -> { facts with On = fun _ -> Error problem }

    /// PyTorch's name of a layer.
    let name layer = (facts layer).Type

    let private pooling (read: SettingReader) = {
        Pool2d.square (read.Whole "kernel") (read.Whole "stride") (read.Whole "padding") with
            Ceiling = read.Has "ceiling" && read.Switch "ceiling"
    }

    let private conv (read: SettingReader) = {
        Channels = read.Whole "channels"
        Kernel = read.Sides "kernel"
        Stride = read.Sides "stride"
        Padding = read.Padding "padding"
        Dilation = if read.Has "dilation" then read.Sides "dilation" else Sides.square 1
        Groups = if read.Has "groups" then read.Whole "groups" else 1
        Bias = read.Switch "bias"
    }

    let private norm (read: SettingReader) : BatchNorm2d =
        let usual = BatchNorm2d.usual

        {
            Epsilon = if read.Has "epsilon" then read.Number "epsilon" else usual.Epsilon
            Momentum = if read.Has "momentum" then read.Number "momentum" else usual.Momentum
        }

    /// Layers that are written as their name alone: they have no settings, or the usual ones.
    let bare: Layer list = [
        Layer.BatchNorm2d BatchNorm2d.usual
        Layer.AdaptiveAvgPool2d
        Layer.Flatten
        for kind in Activations.all do
            Layer.Activation kind
    ]

    /// A layer of each sort with all settings that it may have, and how those make one again.
    let forms: (Layer * (SettingReader -> Layer)) list = [
        let alone layer = layer, (fun (_: SettingReader) -> layer)

        Layer.Conv2d(Conv2d.square 1 2 |> Conv2d.dilation 2 |> Conv2d.groups 2), conv >> Layer.Conv2d
        Layer.Linear(1, true), (fun read -> Layer.Linear(read.Whole "features", read.Switch "bias"))
        Layer.PixelLinear(1, true), (fun read -> Layer.PixelLinear(read.Whole "features", read.Switch "bias"))
        Layer.BatchNorm2d { Epsilon = 1e-3; Momentum = 0.01 }, norm >> Layer.BatchNorm2d
        Layer.GroupNorm(1, 1e-5), (fun read -> Layer.GroupNorm(read.Whole "groups", read.Number "epsilon"))
        Layer.LayerNorm2d 1e-6, (fun read -> Layer.LayerNorm2d(read.Number "epsilon"))
        Layer.LayerScale 1.0, (fun read -> Layer.LayerScale(read.Number "initial"))
        Layer.Dropout 0.5, (fun read -> Layer.Dropout(read.Number "rate"))
        Layer.StochasticDepth 0.5, (fun read -> Layer.StochasticDepth(read.Number "rate"))
        Layer.MaxPool2d(Pool2d.square 1 1 0 |> Pool2d.ceiling), pooling >> Layer.MaxPool2d
        Layer.AvgPool2d(Pool2d.square 1 1 0 |> Pool2d.ceiling), pooling >> Layer.AvgPool2d
        alone Layer.AdaptiveAvgPool2d
        alone Layer.Flatten

        for kind in Activations.all do
            alone (Layer.Activation kind)
    ]
