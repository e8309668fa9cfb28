namespace Hybrid

open System
open TorchSharp

/// What a network reads of pixels.
[<RequireQualifiedAccess; CompilationRepresentation(CompilationRepresentationFlags.ModuleSuffix)>]
module Normalisation =

    /// Of all pixels of a set, to the eight digits in which such figures are published.
    let ofDataset (data: Dataset) : Normalisation =
        use _ = torch.NewDisposeScope()
        let channels = int64 (Shape.channels data.Shape)
        let sums = torch.zeros (channels, dtype = Nullable torch.ScalarType.Int64)
        let squares = torch.zeros (channels, dtype = Nullable torch.ScalarType.Int64)

        for pixels in Dataset.chunks data do
            use _ = torch.NewDisposeScope()
            let pixels = pixels.``to``(torch.CPU).``to`` torch.ScalarType.Int64
            sums.add_ (pixels.sum [| 0L; 2L; 3L |]) |> ignore
            squares.add_ (pixels.mul_(pixels).sum [| 0L; 2L; 3L |]) |> ignore

        let numbers = int64 data.Count * Shape.elements data.Shape / channels
        let sums, squares = sums.data<int64>().ToArray(), squares.data<int64>().ToArray()
        let mean = sums |> Array.map (fun sum -> float sum / float numbers / 255.0)

        // In whole numbers, so that nothing is lost where the spread is small beside the mean.
        let std =
            (sums, squares)
            ||> Array.map2 (fun sum square ->
                let spread = bigint numbers * bigint square - bigint sum * bigint sum
                sqrt (float spread) / float numbers / 255.0)

        {
            Mean = mean |> Array.map (fun x -> Math.Round(x, 8))
            // A channel that never changes is left as it is.
            Std = std |> Array.map (fun x -> if x = 0.0 then 1.0 else Math.Round(x, 8))
        }

    /// Mean and deviation, `[1, C, 1, 1]` each, for pixels of a type on a device.
    let tensors (normalisation: Normalisation) (dtype: torch.ScalarType) (device: torch.Device) : Tensor * Tensor =
        let channel (values: float array) =
            use values = torch.tensor(values).view(1L, values.LongLength, 1L, 1L)
            values.``to`` (dtype, device)

        channel normalisation.Mean, channel normalisation.Std

    /// Bytes, as floats, to what the network reads: scaled by 255, then normalised.
    let apply (mean: Tensor, std: Tensor) (pixels: Tensor) = pixels.div_(scalar 255.0).sub_(mean).div_ std
