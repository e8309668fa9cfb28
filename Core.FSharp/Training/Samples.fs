namespace Hybrid

open TorchSharp

/// Training images as a person would look at them: bytes `[N, H, W, C]`, channels last.
type Samples = {
    Count: int
    Height: int
    Width: int
    /// As they are stored.
    Raw: byte array
    /// As the network sees them, but for the normalisation.
    Augmented: byte array
}

[<RequireQualifiedAccess>]
module Samples =

    /// The first images, `count` at most, of the first batch of a run, before and after augmentation. They are the
    /// very images of that run: the numbers that change them are drawn for the whole batch, as the run draws them.
    let ofRun (recipe: Recipe) (train: Dataset) count : Samples =
        use _ = torch.NewDisposeScope()
        use _ = torch.no_grad ()
        let order = Batch.order train recipe.Seed recipe.Shuffle 0
        let places = order.narrow (0L, 0L, int64 (min recipe.BatchSize train.Count))
        let raw = Dataset.pixelsAt places train
        use generator = Randomness.generator recipe.Seed Purpose.Augment 0 0
        let changed = Augment.apply recipe.Augment generator (raw.``to`` torch.ScalarType.Float32)
        let augmented = changed.round().clamp(scalar 0.0, scalar 255.0).``to`` torch.ScalarType.Byte
        let count = min count (int places.shape[0])

        {
            Count = count
            Height = int raw.shape[2]
            Width = int raw.shape[3]
            Raw = Dataset.toBytes (raw.narrow (0L, 0L, int64 count))
            Augmented = Dataset.toBytes (augmented.narrow (0L, 0L, int64 count))
        }
