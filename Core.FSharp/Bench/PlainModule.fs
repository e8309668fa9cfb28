namespace Hybrid

open System
open TorchSharp

/// Branches of a fork, written plainly.
[<Sealed>]
type private PlainFork(join: Join, branches: torch.nn.Module<Tensor, Tensor> list) as this =
    inherit torch.nn.Module<Tensor, Tensor>("Fork")

    do branches |> List.iteri (fun index branch -> this.register_module (string index, branch))

    override _.forward(x: Tensor) =
        let outs = branches |> List.map _.forward(x)

        match join with
        | Join.Concat -> torch.cat (Array.ofList outs, 1L)
        | Join.Sum -> List.reduce (fun a b -> a.add b) outs
        | Join.Product -> List.reduce (fun a b -> a.mul b) outs

/// Zeros around a map, written plainly.
[<Sealed>]
type private PlainPadding(margins: Margins) =
    inherit torch.nn.Module<Tensor, Tensor>("Padding")

    override _.forward(x: Tensor) = padded margins x

/// A plan as one writes it by hand from TorchSharp's own modules, with nothing done for speed: what `bench` compares
/// with. For use, there is `TorchModule`.
[<RequireQualifiedAccess>]
module PlainModule =

    let private channels shape = int64 (Shape.channels shape)

    let private pairOf (sides: Sides) = struct (int64 sides.Height, int64 sides.Width)

    let private ordinary = { Placement.cpu with Layout = Layout.Contiguous }

    let private layer (plan: Plan) (layer: Layer) : torch.nn.Module<Tensor, Tensor> =
        match layer with
        | Layer.Conv2d conv ->
            let uneven, even = Padding.divide conv

            let conv =
                torch.nn.Conv2d(
                    channels plan.In,
                    int64 conv.Channels,
                    pairOf conv.Kernel,
                    stride = Nullable(pairOf conv.Stride),
                    padding = Nullable(pairOf even),
                    dilation = Nullable(pairOf conv.Dilation),
                    groups = int64 conv.Groups,
                    bias = conv.Bias
                )

            match uneven with
            | None -> conv
            | Some it ->
                // TorchSharp's module for it knows one number a side.
                torch.nn.Sequential(new PlainPadding(it), conv)
        | Layer.BatchNorm2d it -> torch.nn.BatchNorm2d(channels plan.In, eps = it.Epsilon, momentum = it.Momentum)
        | Layer.GroupNorm(groups, epsilon) -> torch.nn.GroupNorm(int64 groups, channels plan.In, epsilon)
        | Layer.Activation Activation.Relu -> torch.nn.ReLU()
        | Layer.Activation Activation.LeakyRelu -> torch.nn.LeakyReLU Activations.leakySlope
        | Layer.Activation Activation.Tanh -> torch.nn.Tanh()
        | Layer.Activation Activation.Gelu -> torch.nn.GELU()
        | Layer.Activation Activation.Silu -> torch.nn.SiLU()
        | Layer.Activation Activation.Sigmoid -> torch.nn.Sigmoid()
        | Layer.Activation Activation.Hardswish -> torch.nn.Hardswish()
        | Layer.Activation Activation.Relu6 -> torch.nn.ReLU6()
        | Layer.Dropout rate -> torch.nn.Dropout rate
        | Layer.MaxPool2d pool ->
            torch.nn.MaxPool2d(
                int64 pool.Kernel,
                stride = int64 pool.Stride,
                padding = int64 pool.Padding,
                ceil_mode = pool.Ceiling
            )
        | Layer.AvgPool2d pool ->
            torch.nn.AvgPool2d(
                int64 pool.Kernel,
                stride = int64 pool.Stride,
                padding = int64 pool.Padding,
                ceil_mode = pool.Ceiling
            )
        | Layer.AdaptiveAvgPool2d -> torch.nn.AdaptiveAvgPool2d 1L
        | Layer.Flatten -> torch.nn.Flatten()
        | Layer.Linear(features, bias) -> torch.nn.Linear(channels plan.In, int64 features, hasBias = bias)
        // What TorchSharp has no module for.
        | _ -> TorchModule.create ordinary Initialisation.PyTorch torch.Generator.Default plan

    /// Parameters as TorchSharp draws them.
    let rec create (plan: Plan) : torch.nn.Module<Tensor, Tensor> =
        match plan.Node with
        | PlanNode.Layer planned -> layer plan planned.Layer
        | PlanNode.Chain [] -> torch.nn.Identity()
        | PlanNode.Chain members -> torch.nn.Sequential(members |> List.map create |> Array.ofList)
        | PlanNode.Fork(join, branches) -> new PlainFork(join, List.map create branches)
