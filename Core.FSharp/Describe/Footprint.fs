namespace Hybrid

open System
open TorchSharp

/// What work on batches takes of a device's memory, in bytes. An estimate: libtorch's own working space is in it as a
/// share, and no more.
type Footprint = {
    /// Whatever the batch size: the weights and, in training, what belongs to them.
    Fixed: int64
    /// For each image of a batch.
    Image: int64
}

[<RequireQualifiedAccess>]
module Footprint =

    let private bytesOf dtype =
        match dtype with
        | torch.ScalarType.Float64 -> 8L
        | torch.ScalarType.BFloat16 -> 2L
        | _ -> 4L

    /// Numbers of a map that is copied into one with margins first.
    let private paddedMap (plan: Plan) layer =
        match layer, plan.In with
        | Layer.Conv2d conv, Shape.Image(channels, height, width) ->
            match fst (Padding.divide conv) with
            | Some it -> [
                Shape.elements (Shape.Image(channels, height + it.Top + it.Bottom, width + it.Left + it.Right))
              ]
            | None -> []
        | _ -> []

    /// Numbers that the parts of a network make for one image, part by part. Sums are added into one of their terms.
    let rec private made (plan: Plan) : int64 list =
        match plan.Node with
        | PlanNode.Layer planned ->
            match (Layers.facts planned.Layer).Storage with
            | Storage.New -> Shape.elements plan.Out :: paddedMap plan planned.Layer
            | Storage.Over
            | Storage.View -> []
        | PlanNode.Chain members
        | PlanNode.Fork(Join.Sum, members) -> List.collect made members
        | PlanNode.Fork((Join.Concat | Join.Product), members) -> Shape.elements plan.Out :: List.collect made members

    /// Of what is kept for the backward pass, gradients and working space come to this much again, measured on the
    /// networks of the zoo.
    let private beside = 0.5

    let private weights plan = Plan.stateTensors plan |> List.sumBy _.Elements

    /// A training step: all maps are kept for the backward pass; beside the weights there are their gradients and at
    /// most two moments.
    let training (placement: Placement) (plan: Plan) : Footprint =
        let maps = (Shape.elements plan.In + List.sum (made plan)) * bytesOf placement.DType

        {
            Fixed = 4L * weights plan * bytesOf (Placement.storage placement)
            Image = int64 ((1.0 + beside) * float maps)
        }

    /// Evaluation: a map goes as soon as it has been read, so a few of the largest are there at one time.
    let inference (placement: Placement) (plan: Plan) : Footprint =
        let largest = made plan |> List.sortDescending |> List.truncate 4 |> List.sum

        {
            Fixed = weights plan * bytesOf (Placement.storage placement)
            Image = (Shape.elements plan.In + largest) * bytesOf placement.DType
        }

    /// Bytes of a batch of so many images.
    let bytes footprint (batchSize: int) = footprint.Fixed + int64 batchSize * footprint.Image

    /// The largest batch size of a power of two that takes so many bytes; 0 where not even one image does.
    let largestBatch footprint (available: int64) =
        let images = (available - footprint.Fixed) / max 1L footprint.Image
        if images < 1L then 0 else 1 <<< min 30 (int (Math.Log2(float images)))

    /// Whether libtorch's error says that memory ran out, on the GPU or on the CPU.
    let isOutOfMemory (message: string) =
        [ "out of memory"; "can't allocate memory"; "not enough memory"; "bad_alloc"; "ALLOC_FAILED" ]
        |> List.exists (fun words -> message.Contains(words, StringComparison.OrdinalIgnoreCase))

    let private gibibytes (bytes: int64) = $"{float bytes / float (1L <<< 30):F1} GiB"

    /// Says that batches are too large, and how large they may be where the device has so many bytes in all, or where
    /// nobody knows. What has failed is never proposed again.
    let tooLittleMemory (device: string) batchSize footprint (memory: int64 option) =
        let failed = $"device {device} has too little memory for batches of {batchSize}"

        let needs =
            match memory with
            | Some memory ->
                $": about {gibibytes (bytes footprint batchSize)} are needed, and it has {gibibytes memory}"
            | None -> $": about {gibibytes (bytes footprint batchSize)} are needed"

        let below = if batchSize > 1 then 1 <<< int (Math.Log2(float (batchSize - 1))) else 0

        let fitting =
            match memory with
            | Some memory -> min below (largestBatch footprint (memory / 10L * 9L))
            | None -> below

        if fitting > 0 then
            $"{failed}{needs}; batches of {fitting} may fit (--batch-size {fitting})"
        else
            $"{failed}{needs}; a smaller network, smaller images or --precision bfloat16 may fit"
