namespace Hybrid

open System
open TorchSharp

/// Work to be timed, one call at a time, on images that are drawn. What comes out is thrown away.
[<AbstractClass>]
type Workload() =

    /// A training step on a batch that is there already.
    abstract Train: unit -> unit

    /// Logits of a batch that is there already.
    abstract Infer: unit -> unit

    /// Lets go of the tensors.
    abstract Dispose: unit -> unit

    interface IDisposable with
        member workload.Dispose() = workload.Dispose()

[<RequireQualifiedAccess>]
module private Drawn =

    let images batchSize (plan: Plan) =
        let size = Array.ofList (batchSize :: Shape.dims plan.In) |> Array.map int64
        torch.randn size

    let labels (batchSize: int) classes = torch.arange(int64 batchSize).remainder_((int64 classes).ToScalar())

    /// Some batches' worth of bytes, so that a pass over them is no pass over one batch in the cache.
    let dataset batchSize classes (plan: Plan) : Dataset =
        let count = 8 * batchSize

        let size =
            match plan.In with
            | Shape.Image(channels, height, width) -> [| int64 count; int64 height; int64 width; int64 channels |]
            | Shape.Features _ -> invalidArg (nameof plan) "a network that is timed reads images"

        {
            Pixels = torch.randint(256L, size).``to`` torch.ScalarType.Byte
            Places = torch.arange (int64 count)
            Labels = labels count classes
            Classes = Array.init classes string
        }

/// A network as it is trained and evaluated here.
[<Sealed>]
type OwnWorkload(model: Model, plan: Plan, placement: Placement, batchSize: int) =
    inherit Workload()

    let network =
        use generator = new torch.Generator(0UL, torch.CPU)
        TorchModule.create placement model.Initialisation generator plan

    /// The published recipe, but for a rate at which nothing runs away on images of noise.
    let recipe = { Recipe.published model with BatchSize = batchSize; LearningRate = 1e-6 }
    let mutable state = Loop.start recipe network 1

    let data =
        use drawn = Drawn.dataset batchSize model.Classes plan
        Dataset.onto placement.Device drawn

    let feed = {
        Data = data
        Normalisation = { Mean = [| 0.5; 0.5; 0.5 |]; Std = [| 0.25; 0.25; 0.25 |] }
        Placement = placement
        BatchSize = batchSize
        Augment = Augment.tutorial
    }

    let batch: Batch = {
        Images =
            use images = Drawn.images batchSize plan
            images.``to`` (placement.DType, placement.Device) |> Layout.apply placement.Layout
        Labels = (Drawn.labels batchSize model.Classes).``to`` placement.Device
    }

    let fused =
        lazy
            (if Fusion.supports network.Weights then
                 Some(Fusion.ofWeights network.Weights)
             else
                 None)

    let mutable epoch = 0

    /// A training step on this batch.
    member _.Train(batch: Batch) =
        let next, metrics = Loop.step recipe network state [ batch ]
        (metrics :> IDisposable).Dispose()
        state <- next

    override workload.Train() = workload.Train batch

    override _.Infer() =
        use _ = torch.no_grad ()

        match fused.Value with
        | Some fused -> (fused.forward batch.Images).Dispose()
        | None ->
            network.eval ()
            (network.forward batch.Images).Dispose()

    /// Shuffled and augmented batches, each the reader's to dispose. Never ends.
    member _.Batches() : Batch seq =
        seq {
            while true do
                epoch <- epoch + 1
                yield! Batch.epoch feed recipe.Seed true true epoch 0
        }

    override _.Dispose() =
        if fused.IsValueCreated then
            fused.Value |> Option.iter (fun fused -> (fused :> IDisposable).Dispose())

        (batch :> IDisposable).Dispose()
        (data :> IDisposable).Dispose()
        (state :> IDisposable).Dispose()
        network.Dispose()

/// The same network from TorchSharp's own modules and optimiser, in float32, as its examples have it.
[<Sealed>]
type PlainWorkload(model: Model, plan: Plan, device: torch.Device, batchSize: int) =
    inherit Workload()

    let network = (PlainModule.create plan).``to`` device
    let images = (Drawn.images batchSize plan).``to`` device
    let labels = (Drawn.labels batchSize model.Classes).``to`` device

    let optimizer: torch.optim.Optimizer =
        match (Recipe.published model).Optimizer with
        | Optimizer.Sgd p ->
            torch.optim.SGD(network.parameters (), 1e-6, momentum = p.Momentum, weight_decay = p.WeightDecay)
        | _ -> torch.optim.AdamW(network.parameters (), 1e-6, weight_decay = 1e-4)

    override _.Train() =
        use _ = torch.NewDisposeScope()
        network.train ()
        optimizer.zero_grad ()
        let loss = torch.nn.functional.cross_entropy (network.forward images, labels)
        loss.backward ()
        optimizer.step () |> ignore

    override _.Infer() =
        use _ = torch.NewDisposeScope()
        use _ = torch.no_grad ()
        network.eval ()
        network.forward images |> ignore

    override _.Dispose() =
        optimizer.Dispose()
        network.Dispose()
        images.Dispose()
        labels.Dispose()
