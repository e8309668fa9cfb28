namespace Hybrid

open System
open TorchSharp

/// One segment of a path, so that TorchSharp names the tensors below it as PyTorch does.
[<Sealed>]
type private Segment() =
    inherit torch.nn.Module("Segment")

    member segment.Child(name: string) =
        let known =
            segment.named_children ()
            |> Seq.tryPick (fun struct (child, m) -> if child = name then Some(m :?> Segment) else None)

        match known with
        | Some child -> child
        | None ->
            let child = new Segment()
            segment.register_module (name, child)
            child

    member segment.Own(name: string, tensor: Tensor) =
        match tensor with
        | :? Modules.Parameter as parameter -> segment.register_parameter (name, parameter)
        | buffer -> segment.register_buffer (name, buffer)

/// A forward pass in training that knows its way back. `output` has to become a loss: once that has gone backward,
/// `Backward` takes the gradient on to the parameters, where it is added to what is there. Until then the pass holds what
/// the way back will read; disposing it lets go of that, whatever has or has not happened, and of the output.
[<Sealed>]
type TrainingPass internal (output: Tensor, back: (Tape * (Tensor -> unit)) option) =

    let mutable back = back

    do
        if back.IsSome then
            output.requires_grad <- true

    /// What the network made of the batch: logits `[N, classes]` for a classifier. It lives for as long as the pass.
    member _.Output = output

    /// To be called once, after the loss of `Output` has gone backward: throws `InvalidOperationException` before that.
    /// Holds nothing afterwards but the output.
    member _.Backward() =
        match back with
        | None -> ()
        | Some(tape, walk) ->
            match output.grad with
            | null -> invalidOp "the loss of the output has to go backward first"
            | gradient ->
                use _ = tape
                back <- None
                walk gradient

    interface IDisposable with
        member _.Dispose() =
            back |> Option.iter (fun (tape, _) -> (tape :> IDisposable).Dispose())
            back <- None
            output.Dispose()

/// A plan as a TorchSharp module over `weights`, which it owns. Its `state_dict` has PyTorch's keys.
/// Reads `[N, C, H, W]` or `[N, F]`, as the plan's input says, and gives logits `[N, classes]` (or whatever the plan's
/// output is). What lies between is released as soon as it has been read, but for what autograd keeps.
[<Sealed>]
type TorchModule(weights: Weights) as this =
    inherit torch.nn.Module<Tensor, Tensor>("Hybrid")

    let run = Forward.compile weights
    let way = lazy (Gradient.compile weights)

    do
        let root = new Segment()

        for spec in weights.Specs do
            let segments = spec.Key.Split '.'
            let owner = (root, Array.take (segments.Length - 1) segments) ||> Array.fold _.Child
            owner.Own(Array.last segments, weights[spec.Key])

        // The root's own children and tensors become the module's: a segment of its own would prefix every key.
        for struct (name, child) in root.named_children () do
            this.register_module (name, child)

        for spec in weights.Specs do
            if not (spec.Key.Contains '.') then
                match weights[spec.Key] with
                | :? Modules.Parameter as parameter -> this.register_parameter (spec.Key, parameter)
                | buffer -> this.register_buffer (spec.Key, buffer)

    /// The network's tensors. They are the module's own: it disposes them.
    member _.Weights = weights

    /// The network, every shape worked out.
    member _.Plan = weights.Plan

    member private this.Forward(x: Tensor, draws: torch.Generator | null) =
        if this.training then
            weights.CountBatch()

        run.Invoke(x, false, { Training = this.training; Draws = draws })

    override this.forward(x: Tensor) = this.Forward(x, null)

    /// A training pass over a batch `[N, C, H, W]` or `[N, F]`, to be disposed. On the CPU, channels last, in float32 or
    /// bfloat16, it is faster than `forward` and autograd; elsewhere, and where the module is not in training, it is those.
    /// Layers that are random in training draw from `draws`, on the CPU, or from libtorch's own generator.
    member this.pass(x: Tensor, draws: torch.Generator | null) : TrainingPass =
        if this.training && Gradient.supports weights.Placement then
            let tape = new Tape()

            try
                weights.CountBatch()
                let struct (y, back) = way.Value { Tape = tape; Draws = draws } x
                new TrainingPass(y, Some(tape, back))
            with _ ->
                (tape :> IDisposable).Dispose()
                reraise ()
        else
            let y = this.Forward(x, draws)
            // A network that changes nothing gives back the batch itself, which is not the pass's to dispose.
            new TrainingPass((if obj.ReferenceEquals(y, x) then y.alias () else y), None)

    /// The same; layers that are random in training draw from libtorch's own generator.
    member this.pass(x: Tensor) : TrainingPass = this.pass (x, null)

    /// A module stays where it was built: its parameters are views into one tensor, and copies would tear them apart.
    override _._to(_: torch.Device, _: torch.ScalarType, _: bool) : torch.nn.Module =
        raise (NotSupportedException "build the module on its device and in its precision")

    override _._to(_: DeviceType, _: int, _: bool) : torch.nn.Module =
        raise (NotSupportedException "build the module on its device")

    override _._to(_: torch.ScalarType, _: bool) : torch.nn.Module =
        raise (NotSupportedException "build the module in its precision")

    override _.Dispose(disposing: bool) =
        if disposing then
            (weights :> IDisposable).Dispose()

        base.Dispose disposing

[<RequireQualifiedAccess>]
module TorchModule =

    /// Builds the module with fresh weights drawn from `generator`.
    let create (placement: Placement) (initialisation: Initialisation) (generator: torch.Generator) (plan: Plan) =
        let weights = new Weights(plan, placement)
        Draw.initialise initialisation generator weights
        new TorchModule(weights)
