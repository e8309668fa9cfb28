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

/// A plan as one writes it by hand from TorchSharp's own modules, with nothing done for speed: what `bench` compares
/// with. For use, there is `TorchModule`.
[<RequireQualifiedAccess>]
module PlainModule =

    let private channels shape =
        match shape with
        | Shape.Image(channels, _, _) -> int64 channels
        | Shape.Features count -> int64 count

    let private pairOf (sides: Sides) = struct (int64 sides.Height, int64 sides.Width)

    let private layer (plan: Plan) (layer: Layer) : torch.nn.Module<Tensor, Tensor> =
        match layer with
        | Layer.Conv2d conv ->
            torch.nn.Conv2d(
                channels plan.In,
                int64 conv.Channels,
                pairOf conv.Kernel,
                stride = Nullable(pairOf conv.Stride),
                padding = Nullable(pairOf conv.Padding),
                bias = conv.Bias
            )
        | Layer.BatchNorm2d -> torch.nn.BatchNorm2d(channels plan.In)
        | Layer.Activation Activation.Relu -> torch.nn.ReLU()
        | Layer.Activation Activation.LeakyRelu -> torch.nn.LeakyReLU Activations.leakySlope
        | Layer.Activation Activation.Tanh -> torch.nn.Tanh()
        | Layer.Activation Activation.Gelu -> torch.nn.GELU()
        | Layer.MaxPool2d pool ->
            torch.nn.MaxPool2d(int64 pool.Kernel, stride = int64 pool.Stride, padding = int64 pool.Padding)
        | Layer.AvgPool2d pool ->
            torch.nn.AvgPool2d(int64 pool.Kernel, stride = int64 pool.Stride, padding = int64 pool.Padding)
        | Layer.AdaptiveAvgPool2d -> torch.nn.AdaptiveAvgPool2d 1L
        | Layer.Flatten -> torch.nn.Flatten()
        | Layer.Linear(features, bias) -> torch.nn.Linear(channels plan.In, int64 features, hasBias = bias)

    /// Parameters as TorchSharp draws them.
    let rec create (plan: Plan) : torch.nn.Module<Tensor, Tensor> =
        match plan.Node with
        | PlanNode.Layer planned -> layer plan planned.Layer
        | PlanNode.Chain [] -> torch.nn.Identity()
        | PlanNode.Chain members -> torch.nn.Sequential(members |> List.map create |> Array.ofList)
        | PlanNode.Fork(join, branches) -> new PlainFork(join, List.map create branches)
