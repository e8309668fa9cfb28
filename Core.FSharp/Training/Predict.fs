namespace Hybrid

open System
open TorchSharp

/// The most probable classes of one image, best first.
type Prediction = {
    /// Places in the network's outputs.
    Classes: int array
    /// 0..1, in the order of `Classes`.
    Probabilities: float array
}

/// From logits to the classes of pictures.
[<RequireQualifiedAccess>]
module Predict =

    /// The `top` most probable classes of each row of `logits` `[N, classes]`; all classes where there are fewer.
    let ofLogits top (logits: Tensor) : Prediction array =
        use _ = torch.NewDisposeScope()
        // On the CPU and in double precision, which not every device has.
        let logits = logits.detach().cpu().``to`` torch.ScalarType.Float64
        let count, classes = int logits.shape[0], int logits.shape[1]
        let top = min top classes
        let struct (probabilities, places) = logits.softmax(1L).topk(top, 1)
        let probabilities = probabilities.contiguous().data<float>().ToArray()
        let places = places.contiguous().data<int64>().ToArray()

        Array.init count (fun row ->
            let part (values: 'a array) = Array.sub values (row * top) top

            { Classes = part places |> Array.map int; Probabilities = part probabilities })

    /// The same for all images of a feed, in their order, by a function from images to logits. Labels are not looked
    /// at.
    let images top (forward: Tensor -> Tensor) (feed: Feed) : Prediction array =
        use _ = torch.no_grad ()

        [|
            for batch in Batch.epoch feed 0L false false 0 0 do
                use _ = torch.NewDisposeScope()
                use batch = batch
                yield! ofLogits top (forward batch.Images)
        |]
