namespace Hybrid

open System
open TorchSharp

/// Averages over all images of an epoch or a split.
type Metrics = {
    Count: int64
    Correct: int64
    Loss: float
} with

    member metrics.Accuracy = if metrics.Count = 0L then nan else float metrics.Correct / float metrics.Count

/// Sums of losses and hits. They stay on the device until somebody wants to see them: a read makes the host wait.
[<Sealed>]
type Tally(device: torch.Device) =

    let zero dtype = torch.zeros(1L, dtype = Nullable dtype, device = device).DetachFromDisposeScope()

    let losses = zero torch.ScalarType.Float64
    let hits = zero torch.ScalarType.Int64
    let mutable count = 0L

    /// A batch's mean loss, its logits `[N, classes]` and its labels `[N]`.
    member _.Add(loss: Tensor, logits: Tensor, labels: Tensor) =
        use _ = torch.NewDisposeScope()
        use _ = torch.no_grad ()
        let size = labels.shape[0]
        losses.add_ (loss.detach (), scalar (float size)) |> ignore
        hits.add_ (logits.argmax(1L).eq(labels).sum()) |> ignore
        count <- count + size

    member _.Read() : Metrics = {
        Count = count
        Correct = hits.item<int64>()
        Loss = losses.item<float>() / float count
    }

    interface IDisposable with
        member _.Dispose() =
            losses.Dispose()
            hits.Dispose()
