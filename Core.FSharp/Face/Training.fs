namespace Hybrid

open System.Collections.Generic
open System.Runtime.InteropServices
open System.Text.Json.Nodes
open System.Threading
open TorchSharp
open Hybrid.Command

[<AutoOpen>]
module private Cancelled =

    /// The same function, which refuses once it is cancelled.
    let until (cancel: CancellationToken) (forward: torch.Tensor -> torch.Tensor) images =
        cancel.ThrowIfCancellationRequested()
        forward images

/// Recipes, runs and their measures from C#. What is wrong is a `RequestException`.
[<AbstractClass; Sealed>]
type Training =
    /// Whether float32 convolutions of 3×3 are Hybrid's own in training on this CPU, which needs vectors of 512 bits.
    static member OwnConvolutions: bool = Winograd.isFast

    /// The recipe of a model as a request has it: on its data, with what its options change.
    static member Recipe(request: TrainRequest, model: Model) : Recipe =
        TrainVerb.recipe request model |> Result.mapError (String.concat "\n") |> orThrow

    /// The recipe that a checkpoint's hyperparameters hold; throws with what is wrong in them.
    static member Stored(hyperParameters: JsonObject) : Recipe = StoredRecipe.read hyperParameters |> orThrow

    /// What that recipe has otherwise than its user may think, in sentences.
    static member Remarks(request: TrainRequest, model: Model, recipe: Recipe) : string array =
        RecipeOptions.remarks request.Data.Source model request.Settings recipe |> Array.ofList

    /// A run over `train`, validated after each epoch on `validation` unless that is empty.
    static member Fit
        (
            recipe: Recipe,
            network: TorchModule,
            train: Dataset,
            validation: Dataset,
            normalisation: Normalisation,
            start: TrainingPosition
        ) : Fit =
        let trainFeed = Recipe.trainingFeed recipe network.Weights.Placement normalisation train |> orThrow

        let validationFeed =
            if validation.Count = 0 then
                None
            else
                Some(Feed.plain validation normalisation network.Weights.Placement recipe.BatchSize)

        new Fit(recipe, network, trainFeed, validationFeed, start)

    /// What is wrong with a place in a run over so many images that came from a file; null where nothing is.
    static member Fault(recipe: Recipe, images: int, start: TrainingPosition) : string | null =
        let batches =
            if recipe.DropLast then
                images / recipe.BatchSize
            else
                int ((int64 images + int64 recipe.BatchSize - 1L) / int64 recipe.BatchSize)

        match TrainingPosition.check recipe (Recipe.stepsPerEpoch recipe batches) images start with
        | Ok() -> null
        | Error message -> message

    /// Whether nothing is left to train there.
    static member IsOver(recipe: Recipe, place: TrainingPosition) : bool = TrainingPosition.isOver recipe place

    /// The place from which a run goes on over other images than before.
    static member Rebased(start: TrainingPosition) : TrainingPosition = TrainingPosition.rebase start

    /// Loss and hits of a network on images that it is not trained on, and where it goes wrong. Ends within a batch when
    /// it is cancelled.
    static member Diagnose
        (
            network: TorchModule,
            data: Dataset,
            normalisation: Normalisation,
            batchSize: int,
            [<Optional>] cancel: CancellationToken
        ) : Diagnosis =
        let feed = Feed.plain data normalisation network.Weights.Placement batchSize

        Inference.fastest network data.Count (fun forward ->
            Diagnosis.measure Objective.plain (until cancel forward) feed)

    /// The place before the first step.
    static member Start: TrainingPosition = TrainingPosition.start

    /// The `top` most probable classes of each image, in order. Ends within a batch when it is cancelled.
    static member Predict
        (
            network: TorchModule,
            images: Dataset,
            normalisation: Normalisation,
            top: int,
            batchSize: int,
            [<Optional>] cancel: CancellationToken
        ) : IReadOnlyList<Prediction> =
        let feed = Feed.plain images normalisation network.Weights.Placement batchSize
        Inference.fastest network images.Count (fun forward -> Predict.images top (until cancel forward) feed)

    /// The first images, `count` at most, of the first batch that a run of `recipe` sees.
    static member Samples(recipe: Recipe, train: Dataset, count: int) : Samples = Samples.ofRun recipe train count

    /// The learning rate of one step of a run, counted from 0.
    static member Rate(recipe: Recipe, stepsPerEpoch: int, step: int64) : float = Recipe.rate recipe stepsPerEpoch step

    /// The same at a place of a run that has come there with `left` steps fewer than its whole epochs would have had.
    static member Rate(recipe: Recipe, stepsPerEpoch: int, left: int64, place: int64) : float =
        Recipe.rateAt recipe stepsPerEpoch left place

    /// PyTorch's name of the recipe's optimiser, under which the learning rate is logged.
    static member OptimizerName(recipe: Recipe) : string = Optimizer.name recipe.Optimizer
