namespace Hybrid

open System
open System.Collections.Generic
open System.Runtime.InteropServices
open System.Text.Json.Nodes
open System.Threading
open TorchSharp
open Hybrid.Command

/// The request cannot be met: the message says what was wrong and what is allowed.
type WrongRequestException(message: string) =
    inherit Exception(message)

[<AutoOpen>]
module private Answers =

    let orThrow result =
        match result with
        | Ok value -> value
        | Error message -> raise (WrongRequestException message)

    /// The same function, which refuses once it is cancelled.
    let until (cancel: CancellationToken) (forward: torch.Tensor -> torch.Tensor) images =
        cancel.ThrowIfCancellationRequested()
        forward images

    /// The batches of a run; throws where there is not a whole one.
    let trainingFeed (recipe: Recipe) (network: TorchModule) (train: Dataset) normalisation : Feed =
        let feed = Recipe.feed recipe network.Weights.Placement normalisation train

        let batches = Batch.count recipe.DropLast feed

        if batches > 0 && recipe.Accumulate <= batches then
            feed
        elif batches > 0 then
            raise (
                WrongRequestException
                    $"--accumulate {recipe.Accumulate} gathers more than the {batches} batches that an epoch has: give at most {batches}"
            )
        else
            raise (
                WrongRequestException
                    $"{train.Count} training images are fewer than one batch of {recipe.BatchSize}: lower --batch-size or give --no-drop-last"
            )

/// The core as C# sees it: compiled last, nothing but hand-overs.
[<AbstractClass; Sealed>]
type CommandLine =
    /// What `--threads` takes at most.
    static member MostThreads: int = MachineOptions.mostThreads

    /// What a command line, without the program's name, asks for.
    static member Read(arguments: string array, surroundings: Surroundings) : Request =
        Parse.commandLine surroundings arguments

    /// The same where `~` stands for nothing and no file is read.
    static member Read(arguments: string array) : Request =
        let refuse file = raise (WrongRequestException $"--config {file}: no file of options is read here")

        CommandLine.Read(arguments, { Home = ""; ReadSettings = refuse })

    /// The run that a command line from a run's folder describes, computed on `machine`; throws where it holds what a
    /// file has no say in.
    static member Stored(arguments: string array, machine: MachineRequest, holdsValues: bool) : TrainRequest =
        match Parse.stored arguments machine holdsValues with
        | Ok request -> request
        | Error message -> raise (WrongRequestException message)

[<AbstractClass; Sealed>]
type Models =
    /// A model of the zoo for a number of classes. Hyperparameters that are given win.
    static member Find(request: ModelRequest, classes: int) : Model =
        let own = if classes > 0 then [ "num_classes", string classes ] else []
        ModelOptions.find own request |> orThrow

    /// The model that a checkpoint's hyperparameters describe, and the network itself where it holds that.
    static member Restore(stored: JsonObject, network: string | null, request: ModelRequest) : Model =
        StoredModel.restore stored network request.Name [ for struct (key, value) in request.Hparams -> key, value ]
        |> orThrow

    /// The network itself, for a checkpoint.
    static member Network(model: Model) : string =
        try
            StoredModel.write model
        with :? InvalidOperationException ->
            raise (
                WrongRequestException
                    $"{model.Name} is nested too deeply to be stored: name fewer parts inside one another"
            )

    /// Makes a family of models known under its name, to the command line and to checkpoints.
    static member Add(family: ModelFamily) : unit = Catalogue.add family

    /// The same for a network that has no hyperparameters but its number of classes.
    static member Add(name: string, network: Func<int, Net>) : unit =
        Catalogue.add {
            Name = name
            Hparams = [ HparamSpec.classes ]
            Build =
                fun values ->
                    let classes = values.Int HparamSpec.classes.Name
                    Ok { Model.ofNet name classes (network.Invoke classes) with Hparams = values.All }
        }

    /// What rebuilds the model.
    static member Describe(model: Model) : JsonObject = StoredRun.ofModel model

    /// What rebuilds the model and repeats its training.
    static member Describe(model: Model, recipe: Recipe) : JsonObject = StoredRun.ofRun model recipe

    /// Every shape of the model for inputs of this shape. Throws with all errors where one does not work.
    static member Plan(model: Model, input: Shape) : Plan =
        Plan.elaborate input model.Net
        |> Result.mapError (fun errors -> ShapeError.report $"{model.Name} does not work on images of {input}" errors)
        |> orThrow

    static member Summarise(plan: Plan) : Summary = Summary.ofPlan plan

    /// Every layer and join as a node that names the nodes it reads.
    static member Graph(plan: Plan) : IReadOnlyList<GraphNode> = Graph.ofPlan plan

    /// The network as a drawing: SVG.
    static member Diagram(plan: Plan) : string = Diagram.ofPlan plan

    static member StateTensors(plan: Plan) : IReadOnlyList<TensorSpec> = Plan.stateTensors plan

    /// The tensors of the last linear layer, which alone depend on the number of classes.
    static member Head(plan: Plan) : IReadOnlyList<TensorSpec> = Plan.head plan

    /// A module with weights drawn from `seed`.
    static member Build(model: Model, plan: Plan, placement: Placement, seed: int64) : TorchModule =
        use generator = new torch.Generator(uint64 seed, torch.CPU)
        TorchModule.create placement model.Initialisation generator plan

[<AbstractClass; Sealed>]
type Datasets =
    /// Bytes `[N, H, W, 3]` and their labels.
    static member OfBytes(images: byte array, labels: int64 array, height: int, width: int, classes: string array) =
        Dataset.ofBytes images labels height width classes

    /// Training and validation images, as PyTorch's `random_split` takes them, of folders with each class's share; the
    /// validation part may be empty.
    static member Split(data: Dataset, request: DataRequest) : struct (Dataset * Dataset) =
        let validation = DataRequest.validationImages request data.Count |> orThrow

        let split =
            match request.Source with
            | DataSource.Folder _ -> Stratified.split
            | DataSource.Shapes
            | DataSource.Cifar10 _
            | DataSource.Cifar100 _ -> Dataset.split

        let training, held = split request.SplitSeed validation data
        struct (training, held)

    /// How many images of each class there are.
    static member PerClass(data: Dataset) : IReadOnlyList<int> = Dataset.perClass data

    /// The same images, sharing their pixels, with labels that are places in other classes; each class of `data` with
    /// images must be among them.
    static member Relabel(data: Dataset, classes: string array) : Dataset = Dataset.relabel classes data

    /// The first images, as many as asked for; a negative number asks for all.
    static member Limit(data: Dataset, count: int) : Dataset = if count < 0 then data else Dataset.take count data

    /// The images at some places as bytes `[N, H, W, C]`.
    static member Bytes(data: Dataset, places: int array) : byte array = Dataset.bytesAt places data

    /// The images on the network's device where they fit there, else as they are; `free` are the device's free bytes,
    /// if they are known.
    static member Near(data: Dataset, placement: Placement, free: Nullable<int64>) : Dataset =
        if placement.Device.``type`` <> data.Pixels.device.``type`` && Dataset.fits free data then
            Dataset.onto placement.Device data
        else
            data

    static member Normalisation(data: Dataset) : Normalisation = Normalisation.ofDataset data

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
        let trainFeed = trainingFeed recipe network train normalisation

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

    static member OptimizerName(recipe: Recipe) : string = Optimizer.name recipe.Optimizer

[<AbstractClass; Sealed>]
type Footprints =
    /// Whether libtorch's error says that memory ran out.
    static member IsOutOfMemory(message: string) : bool = Footprint.isOutOfMemory message

    /// What to say where memory ran out; `memory` is what the device has, if that is known.
    static member TooLittleMemory
        (network: TorchModule, batchSize: int, training: bool, memory: Nullable<int64>)
        : string =
        let placement = network.Weights.Placement
        let footprint = (if training then Footprint.training else Footprint.inference) placement network.Plan
        Footprint.tooLittleMemory (string placement.Device) batchSize footprint (Option.ofNullable memory)

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
        | None -> raise (WrongRequestException $"{train.Count} training images are no batch: give more")

    /// Doubles the batch size for as long as it fits; 0 where none does.
    static member BatchSizeByTrial(fits: Func<int, bool>, most: int) : int = BatchSizeSearch.byTrial fits.Invoke most

    /// Batch sizes to measure a step at.
    static member Trials(most: int) : IReadOnlyList<int> = BatchSizeSearch.trials most

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
        RateFinder.run cancel RateFinder.sweep recipe network (trainingFeed recipe network train normalisation)

    /// The rate to train at; null where the curve is too short to tell.
    static member Suggestion(points: IReadOnlyList<RatePoint>) : Nullable<float> =
        RateFinder.suggestion (Array.ofSeq points) |> Option.toNullable

[<AbstractClass; Sealed>]
type Workloads =
    /// A network as it is trained and evaluated here.
    static member Own(model: Model, plan: Plan, placement: Placement, batchSize: int) : OwnWorkload =
        new OwnWorkload(model, plan, placement, batchSize)

    /// The same network as one writes it by hand from TorchSharp's modules.
    static member Plain(model: Model, plan: Plan, device: torch.Device, batchSize: int) : Workload =
        new PlainWorkload(model, plan, device, batchSize)

    /// The network as JSON, for programs in other languages, and `sgd` or `adamw` as its published recipe says.
    static member Describe(model: Model) : struct (string * string) =
        let optimizer =
            match (Recipe.published model).Optimizer with
            | Optimizer.Sgd _ -> "sgd"
            | _ -> "adamw"

        struct (StoredNet.write model.Net, optimizer)

[<AbstractClass; Sealed>]
type Placements =
    /// How a network is held on a device in a precision.
    static member For(device: torch.Device, precision: Precision) : Placement = Precision.placement device precision

[<AbstractClass; Sealed>]
type Requests =
    /// A request for a model that names none: what is stored decides.
    static member Unnamed: ModelRequest = { Name = ""; Hparams = [||]; Weights = "" }

    /// A request for a model as published.
    static member Named(name: string) : ModelRequest = { Name = name; Hparams = [||]; Weights = "" }

    /// The same request for another model.
    static member WithModel(request: TrainRequest, name: string) : TrainRequest = Found.model name request

    /// The same request with a batch size that suits so many images, where it names none and they are the user's own.
    static member Fitted(request: TrainRequest, images: int) : TrainRequest = Found.fit images request

    /// The same request for the same data at another place.
    static member Moved(request: TrainRequest, source: string) : TrainRequest =
        Found.moved source (Parse.source source |> orThrow) request

    /// The same request with a batch size that was found, as if it had been named.
    static member WithBatchSize(request: TrainRequest, size: int) : TrainRequest = Found.batchSize size request

    /// The same request with a learning rate that was found, as if it had been named.
    static member WithRate(request: TrainRequest, rate: float) : TrainRequest = Found.rate rate request

    /// A source of data as `--data` names it.
    static member Source(text: string) : DataSource = Parse.source text |> orThrow

    /// The same request for the data that a checkpoint names.
    static member WithSource(request: DataRequest, source: string) : DataRequest = {
        request with
            Source = Parse.source source |> orThrow
    }

    /// The same request, its training images divided as a run's were where it does not say otherwise itself. `held` are
    /// those to validate on; none where the data has its own.
    static member Divided(request: DataRequest, held: Nullable<int>, seed: int64) : DataRequest = {
        request with
            ValSize = if request.ValSize.HasValue then request.ValSize else held
            SplitSeed = if request.SplitSeed = DataRequest.usualSeed then seed else request.SplitSeed
    }

    /// The same request with the pictures of folders brought to the size that a network reads.
    static member WithSize(request: DataRequest, input: Shape) : DataRequest =
        match input with
        | Shape.Image(_, height, width) -> { request with Size = struct (height, width) }
        | Shape.Features _ -> request
