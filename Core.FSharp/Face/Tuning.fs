namespace Hybrid

open System
open System.Collections.Generic
open System.Runtime.InteropServices
open System.Threading
open TorchSharp

/// What is looked for before a run, on a network that is of no use afterwards.
[<AbstractClass; Sealed>]
type Tuning =
    /// One step on the first images of a set, at another batch size than the recipe's.
    static member Step
        (recipe: Recipe, network: TorchModule, train: Dataset, normalisation: Normalisation, batchSize: int)
        : unit =
        let feed = Recipe.feed recipe network.Weights.Placement normalisation train
        BatchSizeSearch.step recipe network feed batchSize

    /// The largest power of two that leaves an epoch one whole batch; throws where there is none.
    static member MostImages(train: Dataset) : int =
        match BatchSizeSearch.most train.Count with
        | Some most -> most
        | None -> raise (RequestException $"{train.Count} training images are no batch: give more")

    /// Doubles the batch size for as long as it fits; 0 where none does.
    static member BatchSizeByDoubling(fits: Func<int, bool>, most: int) : int =
        BatchSizeSearch.byDoubling fits.Invoke most

    /// Batch sizes to measure a step at.
    static member Probes(most: int) : IReadOnlyList<int> = BatchSizeSearch.probes most

    /// Goes on from what was measured to what is free.
    static member BatchSizeByMeasure(network: TorchModule, free: int64, readings: MemoryReading seq, most: int) : int =
        let image = (Footprint.training network.Weights.Placement network.Plan).Image
        BatchSizeSearch.byMeasure image free (List.ofSeq readings) most

    /// The curve of a sweep through the learning rates.
    static member Rates
        (
            recipe: Recipe,
            network: TorchModule,
            train: Dataset,
            normalisation: Normalisation,
            [<Optional>] cancel: CancellationToken
        ) : IReadOnlyList<RatePoint> =
        let feed = Recipe.trainingFeed recipe network.Weights.Placement normalisation train |> orThrow
        RateFinder.run cancel RateFinder.sweep recipe network feed

    /// The rate to train at; null where the curve is too short to tell.
    static member Suggestion(points: IReadOnlyList<RatePoint>) : Nullable<float> =
        RateFinder.suggestion (Array.ofSeq points) |> Option.toNullable
