namespace Hybrid

open System.Collections.Generic

/// Layers in PyTorch's words: as modules, and as calls with tensors that another module holds.
[<RequireQualifiedAccess>]
module internal PythonLayers =

    let private words text = Python.Words text

    let private number meaning value = Python.Number { Meaning = meaning; Value = value }

    let private whole meaning value = number meaning (PythonText.whole value)

    let private real meaning value = number meaning (PythonText.number value)

    let private sides meaning value = number meaning (PythonText.sides value)

    let private keyword key value = Python.Together [ words $"{key}="; value ]

    let private separated sign (parts: Python list) =
        parts
        |> List.mapi (fun place part -> if place = 0 then [ part ] else [ words sign; part ])
        |> List.concat
        |> Python.Together

    /// A call: its name and its arguments.
    let call (name: string) (arguments: Python list) =
        Python.Together [ words $"{name}("; separated ", " arguments; words ")" ]

    /// What PyTorch lacks, as a file that needs it defines it.
    let private helpers = [
        "PaddedConv2d",
        [
            "class PaddedConv2d(nn.Conv2d):"
            "    # With margins of zeros of their own on each side: left, right, top, bottom."
            "    def __init__(self, *sizes, margins, **settings):"
            "        super().__init__(*sizes, **settings)"
            "        self.margins = margins"
            ""
            "    def forward(self, x):"
            "        return super().forward(F.pad(x, self.margins))"
        ]
        "pixel_linear",
        [
            "def pixel_linear(x, weight, bias):"
            "    # Over the channels of each pixel."
            "    return F.linear(x.permute(0, 2, 3, 1), weight, bias).permute(0, 3, 1, 2)"
        ]
        "PixelLinear",
        [
            "class PixelLinear(nn.Linear):"
            "    def forward(self, x):"
            "        return pixel_linear(x, self.weight, self.bias)"
        ]
        "layer_norm",
        [
            "def layer_norm(x, weight, bias, eps):"
            "    # Over the channels of each pixel."
            "    x = F.layer_norm(x.permute(0, 2, 3, 1), weight.shape, weight, bias, eps)"
            "    return x.permute(0, 3, 1, 2)"
        ]
        "LayerNorm2d",
        [
            "class LayerNorm2d(nn.LayerNorm):"
            "    def forward(self, x):"
            "        return layer_norm(x, self.weight, self.bias, self.eps)"
        ]
        "LayerScale",
        [
            "class LayerScale(nn.Module):"
            "    # A number for each channel that is learned and multiplied in."
            "    def __init__(self, shape, initial):"
            "        super().__init__()"
            "        self.layer_scale = nn.Parameter(torch.full(shape, initial))"
            ""
            "    def forward(self, x):"
            "        return x * self.layer_scale"
        ]
        "stochastic_depth",
        [
            "def stochastic_depth(x, p, training):"
            "    # In training an example's whole map is left out with the probability p, and the others grow in turn."
            "    if not training or p == 0.0:"
            "        return x"
            "    kept = torch.empty([len(x)] + [1] * (x.dim() - 1), dtype=x.dtype, device=x.device).bernoulli_(1.0 - p)"
            "    return x * (kept / (1.0 - p))"
        ]
        "StochasticDepth",
        [
            "class StochasticDepth(nn.Module):"
            "    def __init__(self, p):"
            "        super().__init__()"
            "        self.p = p"
            ""
            "    def forward(self, x):"
            "        return stochastic_depth(x, self.p, self.training)"
        ]
        "batch_norm",
        [
            "def batch_norm(x, module, momentum, eps):"
            "    # By the tensors of a module that is no norm itself."
            "    if module.training:"
            "        module.num_batches_tracked.add_(1)"
            "    mean, var = module.running_mean, module.running_var"
            "    return F.batch_norm(x, mean, var, module.weight, module.bias, module.training, momentum, eps)"
        ]
    ]

    /// Names that a file may define beside its network's.
    let helperNames = helpers |> List.map fst

    /// Those that are used, each behind those that it needs.
    let helpersOf (used: HashSet<string>) = [
        for name, lines in helpers do
            if used.Contains name then
                String.concat "\n" lines + "\n"
    ]

    let private channelsOf (plan: Plan) = Shape.channels plan.In

    let private window (pool: Pool2d) = [
        whole "kernel_size" pool.Kernel
        keyword "stride" (whole "stride" pool.Stride)
        if pool.Padding <> 0 then
            keyword "padding" (whole "padding" pool.Padding)
        if pool.Ceiling then
            keyword "ceil_mode" (words "True")
    ]

    let private slides (conv: Conv2d) = [
        if conv.Stride <> Sides.square 1 then
            keyword "stride" (sides "stride" conv.Stride)
        match Padding.divide conv with
        | None, even when even <> Sides.square 0 -> keyword "padding" (sides "padding" even)
        | _ -> ()
        if conv.Dilation <> Sides.square 1 then
            keyword "dilation" (sides "dilation" conv.Dilation)
        if conv.Groups <> 1 then
            keyword "groups" (whole "groups" conv.Groups)
    ]

    /// In the order of `F.pad`.
    let private margins (it: Margins) = number "margins" (PythonText.tuple [ it.Left; it.Right; it.Top; it.Bottom ])

    let private ofNorm (it: BatchNorm2d) = [
        if it.Epsilon <> BatchNorm2d.epsilon then
            keyword "eps" (real "eps" it.Epsilon)
        if it.Momentum <> BatchNorm2d.momentum then
            keyword "momentum" (real "momentum" it.Momentum)
    ]

    let private noBias bias = [
        if not bias then
            keyword "bias" (words "False")
    ]

    /// An activation's function; its module has the name of its facts.
    let private functionOf kind =
        match kind with
        | Activation.Relu -> "F.relu"
        | Activation.LeakyRelu -> "F.leaky_relu"
        | Activation.Tanh -> "torch.tanh"
        | Activation.Gelu -> "F.gelu"
        | Activation.Silu -> "F.silu"
        | Activation.Sigmoid -> "torch.sigmoid"
        | Activation.Hardswish -> "F.hardswish"
        | Activation.Hardsigmoid -> "F.hardsigmoid"
        | Activation.Relu6 -> "F.relu6"

    let private slope kind =
        match kind with
        | Activation.LeakyRelu -> [ words (PythonText.number Activations.leakySlope) ]
        | Activation.Relu
        | Activation.Tanh
        | Activation.Gelu
        | Activation.Silu
        | Activation.Sigmoid
        | Activation.Hardswish
        | Activation.Hardsigmoid
        | Activation.Relu6 -> []

    /// What makes a layer that is a module of its own. `used` learns which helpers that takes.
    let asModule (used: HashSet<string>) (plan: Plan) (layer: LayerPlan) : Python =
        let ours name =
            used.Add name |> ignore
            name

        match layer.Layer with
        | Layer.Conv2d it ->
            let sizes = [
                whole "in_channels" (channelsOf plan)
                whole "out_channels" it.Channels
                sides "kernel_size" it.Kernel
            ]

            let settings = slides it @ noBias it.Bias

            match Padding.divide it with
            | None, _ -> call "nn.Conv2d" (sizes @ settings)
            | Some uneven, _ -> call (ours "PaddedConv2d") (sizes @ settings @ [ keyword "margins" (margins uneven) ])
        | Layer.Linear(features, bias) ->
            call "nn.Linear" ([ whole "in_features" (channelsOf plan); whole "out_features" features ] @ noBias bias)
        | Layer.PixelLinear(features, bias) ->
            used.Add "pixel_linear" |> ignore

            call
                (ours "PixelLinear")
                ([ whole "in_features" (channelsOf plan); whole "out_features" features ] @ noBias bias)
        | Layer.BatchNorm2d it -> call "nn.BatchNorm2d" (whole "channels" (channelsOf plan) :: ofNorm it)
        | Layer.GroupNorm(groups, epsilon) ->
            call "nn.GroupNorm" [
                whole "num_groups" groups
                whole "channels" (channelsOf plan)
                keyword "eps" (real "eps" epsilon)
            ]
        | Layer.LayerNorm2d epsilon ->
            used.Add "layer_norm" |> ignore
            call (ours "LayerNorm2d") [ whole "channels" (channelsOf plan); keyword "eps" (real "eps" epsilon) ]
        | Layer.Activation kind -> call $"nn.{(Activations.facts kind).Type}" (slope kind)
        | Layer.LayerScale initial ->
            let dims = layer.Tensors |> List.collect _.Dims
            call (ours "LayerScale") [ number "shape" (PythonText.tuple dims); real "initial" initial ]
        | Layer.Dropout rate -> call "nn.Dropout" [ real "p" rate ]
        | Layer.StochasticDepth rate ->
            used.Add "stochastic_depth" |> ignore
            call (ours "StochasticDepth") [ real "p" rate ]
        | Layer.MaxPool2d it -> call "nn.MaxPool2d" (window it)
        | Layer.AvgPool2d it -> call "nn.AvgPool2d" (window it)
        | Layer.AdaptiveAvgPool2d -> call "nn.AdaptiveAvgPool2d" [ words "1" ]
        | Layer.Flatten -> call "nn.Flatten" []

    /// A layer's output of `x` by the tensors that `holder` has.
    let asCall (used: HashSet<string>) (holder: string) (layer: LayerPlan) (x: string) : Python =
        let ours name =
            used.Add name |> ignore
            name

        let weight = words $"{holder}.weight"
        let bias has = words (if has then $"{holder}.bias" else "None")
        let training = words $"{holder}.training"

        match layer.Layer with
        | Layer.Conv2d it ->
            let x =
                match Padding.divide it with
                | None, _ -> words x
                | Some uneven, _ -> call "F.pad" [ words x; margins uneven ]

            call "F.conv2d" ([ x; weight; bias it.Bias ] @ slides it)
        | Layer.PixelLinear(_, has) -> call (ours "pixel_linear") [ words x; weight; bias has ]
        | Layer.Linear(_, has) -> call "F.linear" [ words x; weight; bias has ]
        | Layer.BatchNorm2d it ->
            call (ours "batch_norm") [ words x; words holder; real "momentum" it.Momentum; real "eps" it.Epsilon ]
        | Layer.GroupNorm(groups, epsilon) ->
            call "F.group_norm" [ words x; whole "num_groups" groups; weight; bias true; real "eps" epsilon ]
        | Layer.LayerNorm2d epsilon -> call (ours "layer_norm") [ words x; weight; bias true; real "eps" epsilon ]
        | Layer.Activation kind -> call (functionOf kind) (words x :: slope kind)
        | Layer.LayerScale _ -> call "torch.mul" [ words x; words $"{holder}.layer_scale" ]
        | Layer.Dropout rate -> call "F.dropout" [ words x; real "p" rate; training ]
        | Layer.StochasticDepth rate -> call (ours "stochastic_depth") [ words x; real "p" rate; training ]
        | Layer.MaxPool2d it -> call "F.max_pool2d" (words x :: window it)
        | Layer.AvgPool2d it -> call "F.avg_pool2d" (words x :: window it)
        | Layer.AdaptiveAvgPool2d -> call "F.adaptive_avg_pool2d" [ words x; words "1" ]
        | Layer.Flatten -> call "torch.flatten" [ words x; words "1" ]

    /// Gives `holder` the layer's tensors, filled as the layer's own module would fill them.
    let tensors (holder: string) (layer: LayerPlan) : Python list = [
        for spec in layer.Tensors do
            let key = spec.Key.Split '.' |> Array.last
            let shape = number "shape" (PythonText.tuple spec.Dims)

            let filled =
                match spec.Role, spec.First with
                | Role.NumBatchesTracked, _ -> words "torch.tensor(0)"
                | _, FirstDraw.Constant value -> call "torch.full" [ shape; real "initial" value ]
                | _, FirstDraw.Uniform bound ->
                    Python.Together [
                        call "torch.empty" [ shape ]
                        call ".uniform_" [ real "least" -bound; real "most" bound ]
                    ]

            match spec.Role with
            | Role.Weight
            | Role.Bias -> Python.Together [ words $"{holder}.{key} = nn.Parameter("; filled; words ")" ]
            | Role.RunningMean
            | Role.RunningVar
            | Role.NumBatchesTracked ->
                Python.Together [ words $"{holder}.register_buffer(\"{key}\", "; filled; words ")" ]
    ]

    /// Outputs of branches as one.
    let joined join (branches: Python list) : Python =
        match join with
        | Join.Concat -> Python.Together [ words "torch.cat(["; separated ", " branches; words "], 1)" ]
        | Join.Sum -> separated " + " branches
        | Join.Product -> separated " * " branches
