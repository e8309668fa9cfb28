namespace Hybrid

open TorchSharp

/// What `bench` times, from C#.
[<AbstractClass; Sealed>]
type Workloads =
    /// A network as it is trained and evaluated here.
    static member Own(model: Model, plan: Plan, placement: Placement, batchSize: int) : OwnWorkload =
        new OwnWorkload(model, plan, placement, batchSize)

    /// The same network as one writes it by hand from TorchSharp's modules.
    static member Plain(model: Model, plan: Plan, device: torch.Device, batchSize: int) : Workload =
        new PlainWorkload(model, plan, device, batchSize)

    /// The network as JSON, for programs in other languages, and `sgd` or `adamw` as its published recipe says.
    static member Describe(model: Model) : struct (string * string) =
        let optimizer =
            match (Recipe.published model).Optimizer with
            | Optimizer.Sgd _ -> "sgd"
            | _ -> "adamw"

        struct (StoredNet.write model.Net, optimizer)
