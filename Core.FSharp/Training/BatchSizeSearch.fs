namespace Hybrid

open System

/// What a device's memory held after a step on some images.
type MemoryReading = { BatchSize: int; Bytes: int64 }

/// The largest batch size of a power of two whose step fits into memory.
[<RequireQualifiedAccess>]
module BatchSizeSearch =

    /// A batch norm needs two images.
    let private smallest = 2

    /// What a step may take of the memory that is free: the rest is for evaluation and for other programs.
    let private share = 0.8

    /// The largest power of two that leaves an epoch at least one whole batch; `None` where the set is too small.
    let most images = if images < smallest then None else Some(1 <<< int (Math.Log2(float images)))

    /// By doubling, where a step that does not fit fails: goes on for as long as a step does. 0 where none fits.
    let byDoubling (fits: int -> bool) most =
        Seq.initInfinite (fun power -> smallest <<< power)
        |> Seq.takeWhile (fun size -> size <= most && fits size)
        |> Seq.fold max 0

    /// One step on the first images of a feed, at another batch size than the recipe's. Only the memory that it takes
    /// is of interest: the network is of no use afterwards.
    let step (recipe: Recipe) (network: TorchModule) (feed: Feed) batchSize =
        let recipe = { recipe with BatchSize = batchSize; Accumulate = 1 }
        let feed = { feed with BatchSize = batchSize }
        use state = Loop.start recipe network 1
        use batch = Batch.epoch feed recipe.Seed false false 0 0 |> Seq.head
        let _, metrics = Loop.step recipe network state [ batch ]
        (metrics :> IDisposable).Dispose()

    /// Sizes to measure a step at, where a step that does not fit would take the machine down: small ones.
    let probes most = [ min 16 most; min 64 most ]

    /// By measuring: the line through the readings, but no less an image than `image` bytes, goes on to what is free.
    let byMeasure (image: int64) (free: int64) (readings: MemoryReading list) most =
        let least, largest = readings |> List.minBy _.BatchSize, readings |> List.maxBy _.BatchSize
        let images = largest.BatchSize - least.BatchSize
        let measured = if images > 0 then (largest.Bytes - least.Bytes) / int64 images else 0L
        let image = max 1L (max image measured)
        let room = int64 (share * float free)

        Seq.initInfinite (fun power -> largest.BatchSize <<< power)
        |> Seq.takeWhile (fun size -> size <= most && size > 0 && int64 size * image <= room)
        |> Seq.fold max largest.BatchSize
