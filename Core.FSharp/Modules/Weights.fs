namespace Hybrid

open System
open System.Collections.Generic
open TorchSharp

/// The tensors of a network's state. All parameters are views into one flat tensor, and their gradients into
/// another, so that an optimiser's step is a handful of operations on two tensors whatever the number of layers.
[<Sealed>]
type Weights(plan: Plan, placement: Placement) =

    let specs = Plan.stateTensors plan |> Array.ofList
    let parameters = specs |> Array.filter _.IsParameter
    let counters = specs |> Array.filter (fun spec -> spec.Role = Role.NumBatchesTracked)
    let offsets = parameters |> Array.scan (fun offset spec -> offset + spec.Elements) 0L
    let total = Array.last offsets

    let zeros (count: int64) dtype =
        torch.zeros([| count |], dtype = Nullable dtype, device = placement.Device).DetachFromDisposeScope()

    let dtype = Placement.storage placement
    let flat = zeros total dtype
    let grad = zeros total dtype
    let counts = zeros (int64 counters.Length) torch.ScalarType.Int64

    /// The part of a flat tensor that belongs to parameter `index`, in its own shape and the layout's strides.
    let view (flat: Tensor) index =
        let spec = parameters[index]
        use _ = torch.NewDisposeScope()
        let part = flat.narrow (0L, offsets[index], spec.Elements)

        let shaped =
            match placement.Layout, spec.Dims with
            | Layout.ChannelsLast, [ outs; ins; height; width ] ->
                part.view(int64 outs, int64 height, int64 width, int64 ins).permute(0L, 3L, 1L, 2L)
            | _, dims -> part.view (dims |> List.map int64 |> Array.ofList)

        shaped.detach().DetachFromDisposeScope()

    let gradients = parameters |> Array.mapi (fun index spec -> spec.Key, view grad index) |> dict

    let leaves =
        parameters
        |> Array.mapi (fun index spec ->
            use part = view flat index
            let leaf = new Modules.Parameter(part, true)
            leaf.grad <- gradients[spec.Key]
            leaf.DetachFromDisposeScope() |> ignore
            leaf)

    let tensors = Dictionary<string, Tensor>()

    do
        parameters |> Array.iteri (fun index spec -> tensors[spec.Key] <- leaves[index])

        counters
        |> Array.iteri (fun index spec -> tensors[spec.Key] <- counts.select(0L, int64 index).DetachFromDisposeScope())

        for spec in specs do
            match spec.Role, spec.First with
            | (Role.RunningMean | Role.RunningVar), FirstDraw.Constant value ->
                tensors[spec.Key] <- (zeros spec.Elements dtype).fill_(scalar value)
            | _ -> ()

    /// The network whose tensors they are.
    member _.Plan = plan

    /// Where they are held, and in which precision.
    member _.Placement = placement

    /// What each tensor is, in the order of PyTorch's `state_dict`.
    member _.Specs = specs

    /// The tensor under a `state_dict` key.
    member _.Item
        with get (key: string) = tensors[key]

    /// Parameters alone, in the order of PyTorch's `parameters()`.
    member _.Parameters = Array.zip parameters leaves

    /// All parameters, `[total]`.
    member _.Flat = flat

    /// All gradients, `[total]`, in the order of `Flat`.
    member _.Grad = grad

    /// Where the gradient of the parameter under a key is added up: a part of `Grad` in the parameter's shape.
    member _.Gradient(key: string) = gradients[key]

    /// Another flat tensor, such as an optimiser's momentum, seen parameter by parameter under the same keys.
    member _.ViewsOf(other: Tensor) = parameters |> Array.mapi (fun index spec -> spec.Key, view other index)

    /// One more batch seen by every batch norm.
    member _.CountBatch() =
        if counters.Length > 0 then
            counts.add_ (1L.ToScalar()) |> ignore

    interface IDisposable with
        member _.Dispose() =
            for tensor in Seq.append tensors.Values gradients.Values do
                tensor.Dispose()

            for tensor in [ flat; grad; counts ] do
                tensor.Dispose()
