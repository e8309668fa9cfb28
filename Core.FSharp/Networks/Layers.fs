namespace Hybrid

/// What a stored layer's settings are read by. Each function takes a setting's name.
type SettingReader = { Whole: string -> int; Sides: string -> Sides; Switch: string -> bool }

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
            let slide side length = Shape.slide (side window.Kernel) (side window.Stride) (side window.Padding) length

            match slide _.Height height, slide _.Width width with
            | 0L, _
            | _, 0L -> Error(ShapeProblem.WindowTooLarge(window.Kernel, window.Padding, got))
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

        atLeast 1 (both "kernel" window.Kernel @ both "stride" window.Stride)
        @ atLeast 0 (both "padding" window.Padding)

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

    let private outcome tensors macs out = { Out = out; Tensors = tensors; Macs = macs }

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
    }

    let private pool name (it: Pool2d) : LayerFacts =
        let window = {
            Kernel = Sides.square it.Kernel
            Stride = Sides.square it.Stride
            Padding = Sides.square it.Padding
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
                ]
                Window = Some window
                Problems =
                    match windowProblems window with
                    | [] when it.Padding > it.Kernel / 2 -> [ ShapeProblem.PoolPaddingTooLarge(it.Kernel, it.Padding) ]
                    | problems -> problems
        }

    let private convolution (it: Conv2d) : LayerFacts =
        let window = { Kernel = it.Kernel; Stride = it.Stride; Padding = it.Padding }

        {
            Type = "Conv2d"
            Kind = LayerKind.Convolution
            Settings = [
                "channels", Setting.Whole it.Channels
                "kernel", Setting.Sides it.Kernel
                "stride", Setting.Sides it.Stride
                "padding", Setting.Sides it.Padding
                "bias", Setting.Switch it.Bias
            ]
            Window = Some window
            Problems = atLeast 1 [ "channels", it.Channels ] @ windowProblems window
            On =
                fun got ->
                    slideOver window it.Channels got
                    |> Result.map (fun out ->
                        let inputs = Shape.channels got
                        let dims = [ it.Channels; inputs; it.Kernel.Height; it.Kernel.Width ]
                        let taps = dims |> List.tail |> Seq.map int64 |> Shape.volume
                        outcome (drawn dims it.Channels it.Bias) (Shape.volume [ Shape.elements out; taps ]) out)
            Kept = Kept.Input
            Storage = Storage.New
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
    }

    let private batchNorm: LayerFacts =
        let tensors channels =
            affine channels
            @ [
                tensor Role.RunningMean "running_mean" [ channels ] (FirstDraw.Constant 0.0)
                tensor Role.RunningVar "running_var" [ channels ] (FirstDraw.Constant 1.0)
                tensor Role.NumBatchesTracked "num_batches_tracked" [] (FirstDraw.Constant 0.0)
            ]

        {
            plain "BatchNorm2d" LayerKind.Norm Kept.Input Storage.New Ok with
                On =
                    fun got ->
                        match got with
                        | Shape.Image(channels, _, _) -> Ok(outcome (tensors channels) 0L got)
                        | Shape.Features _ -> Error(ShapeProblem.NeedsImage got)
        }

    let private activation kind : LayerFacts =
        let facts = Activations.facts kind
        plain facts.Type LayerKind.Activation facts.Kept facts.Storage Ok

    /// The one table of layers.
    let facts (layer: Layer) : LayerFacts =
        match layer with
        | Layer.Conv2d it -> convolution it
        | Layer.Linear(features, bias) -> linear features bias
        | Layer.BatchNorm2d -> batchNorm
        | Layer.Activation kind -> activation kind
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

    /// PyTorch's name of a layer.
    let name layer = (facts layer).Type

    let private pooling (read: SettingReader) =
        Pool2d.square (read.Whole "kernel") (read.Whole "stride") (read.Whole "padding")

    /// Layers of each sort, and how the settings of `facts` make one again.
    let forms: (Layer * (SettingReader -> Layer)) list = [
        let alone layer = layer, (fun (_: SettingReader) -> layer)

        Layer.Conv2d(Conv2d.square 1 1),
        fun read ->
            Layer.Conv2d {
                Channels = read.Whole "channels"
                Kernel = read.Sides "kernel"
                Stride = read.Sides "stride"
                Padding = read.Sides "padding"
                Bias = read.Switch "bias"
            }

        Layer.Linear(1, true), (fun read -> Layer.Linear(read.Whole "features", read.Switch "bias"))
        Layer.MaxPool2d(Pool2d.square 1 1 0), pooling >> Layer.MaxPool2d
        Layer.AvgPool2d(Pool2d.square 1 1 0), pooling >> Layer.AvgPool2d
        alone Layer.BatchNorm2d
        alone Layer.AdaptiveAvgPool2d
        alone Layer.Flatten

        for kind in Activations.all do
            alone (Layer.Activation kind)
    ]
