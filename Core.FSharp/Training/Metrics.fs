namespace Hybrid

open System
open TorchSharp

/// What one batch came to. Tensors of one element, on the device still.
type BatchMetrics = {
    /// Mean over the batch.
    Loss: Tensor
    /// Images whose largest logit is that of their label.
    Correct: Tensor
    Count: int64
} with

    interface IDisposable with
        member metrics.Dispose() =
            metrics.Loss.Dispose()
            metrics.Correct.Dispose()

[<RequireQualifiedAccess>]
module BatchMetrics =

    /// From a batch's loss, its logits `[N, classes]` and its labels `[N]`; outlives the dispose scope it is made in.
    let make (loss: Tensor) (logits: Tensor) (labels: Tensor) : BatchMetrics =
        use _ = torch.no_grad ()
        use guess = logits.argmax 1L
        use hits = guess.eq labels

        {
            Loss = loss.detach().DetachFromDisposeScope()
            Correct = hits.sum().DetachFromDisposeScope()
            Count = labels.shape[0]
        }

    /// Of several batches as of one. Disposes theirs.
    let merge (parts: BatchMetrics list) : BatchMetrics =
        match parts with
        | [ only ] -> only
        | parts ->
            use _ = torch.NewDisposeScope()
            use _ = torch.no_grad ()
            let count = parts |> List.sumBy _.Count
            let share (part: BatchMetrics) = part.Loss.mul (scalar (float part.Count / float count))
            let loss = parts |> List.map share |> List.reduce (fun a b -> a.add_ b)
            let correct = parts |> List.map _.Correct |> List.reduce (fun a b -> a.add b)

            for part in parts do
                (part :> IDisposable).Dispose()

            {
                Loss = loss.DetachFromDisposeScope()
                Correct = correct.DetachFromDisposeScope()
                Count = count
            }

/// Averages over all images of an epoch or a split.
type Metrics = {
    Count: int64
    Correct: int64
    Loss: float
} with

    /// Share of the images that were right, 0..1; not a number where there are none.
    member metrics.Accuracy = if metrics.Count = 0L then nan else float metrics.Correct / float metrics.Count

/// What averages are made of, as plain numbers.
type Sums = {
    Count: int64
    Correct: int64
    /// Mean losses of the batches, each times its images.
    Loss: float
}

[<RequireQualifiedAccess>]
module Sums =

    /// Of no images.
    let zero: Sums = { Count = 0L; Correct = 0L; Loss = 0.0 }

    /// Means over the images; not numbers where there are none.
    let average (sums: Sums) : Metrics = {
        Count = sums.Count
        Correct = sums.Correct
        Loss = sums.Loss / float sums.Count
    }

/// Sums of losses and hits. They stay on the device until somebody wants to see them: a read makes the host wait.
[<Sealed>]
type Tally(device: torch.Device) =

    let zero dtype = torch.zeros(1L, dtype = Nullable dtype, device = device).DetachFromDisposeScope()

    let losses = zero torch.ScalarType.Float64
    let hits = zero torch.ScalarType.Int64
    let finite = zero torch.ScalarType.Int64
    let mutable count = 0L

    /// Goes on from some sums.
    member _.Restart(sums: Sums) =
        losses.fill_ (scalar sums.Loss) |> ignore
        hits.fill_ (sums.Correct.ToScalar()) |> ignore
        finite.zero_ () |> ignore
        count <- sums.Count

    /// Adds what a batch came to. Does not dispose it.
    member _.Add(batch: BatchMetrics) =
        use _ = torch.no_grad ()
        losses.add_ (batch.Loss, scalar (float batch.Count)) |> ignore
        hits.add_ batch.Correct |> ignore
        // Once a sum is not finite it stays so.
        use sound = losses.isfinite ()
        finite.add_ sound |> ignore
        count <- count + batch.Count

    /// Batches since the restart before the first whose loss was not a finite number.
    member _.FiniteBatches = finite.item<int64>()

    /// The sums so far, read from the device.
    member _.Sums: Sums = { Count = count; Correct = hits.item<int64>(); Loss = losses.item<float>() }

    /// The averages so far.
    member tally.Read() : Metrics = Sums.average tally.Sums

    interface IDisposable with
        member _.Dispose() =
            losses.Dispose()
            hits.Dispose()
            finite.Dispose()
