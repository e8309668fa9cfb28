namespace Hybrid

open System
open System.Collections.Generic
open System.Text.Json.Nodes
open TorchSharp
open Hybrid.Command

/// Models, their plans and their modules from C#. What is wrong is a `RequestException`.
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
                RequestException $"{model.Name} is nested too deeply to be stored: name fewer parts inside one another"
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

    /// Each layer with its shapes, parameters and multiply-adds, and their sums.
    static member Summarise(plan: Plan) : Summary = Summary.ofPlan plan

    /// Every layer and join as a node that names the nodes it reads.
    static member Graph(plan: Plan) : IReadOnlyList<GraphNode> = Graph.ofPlan plan

    /// The network as a drawing: SVG.
    static member Diagram(plan: Plan) : string = Diagram.ofPlan plan

    /// What every file of PyTorch's code begins with.
    static member PyTorchCodeStart: string = PyTorchCode.start

    /// The network as PyTorch's Python code: see `PyTorchCode.ofPlan`. What is not known is null.
    static member PyTorchCode
        (model: Model, plan: Plan, classes: IReadOnlyList<string> | null, normalisation: Normalisation | null)
        : string =
        PyTorchCode.problem plan
        |> Option.iter (fun problem ->
            raise (RequestException $"{model.Name} cannot be written as PyTorch's code: {problem}"))

        let facts = {
            Name = model.Name
            Classes = classes |> Option.ofObj |> Option.map List.ofSeq
            Normalisation = Option.ofObj normalisation
        }

        PyTorchCode.ofPlan facts plan

    /// The same options for a graph that reads pictures of any size, normalises them by this and gives probabilities.
    static member WithPictures(options: OnnxOptions, normalisation: Normalisation) : OnnxOptions = {
        options with
            Pictures = Some normalisation
    }

    /// Refuses a network that cannot be written as ONNX.
    static member CheckOnnx(model: Model, plan: Plan, options: OnnxOptions) : unit =
        Onnx.problem options plan
        |> Option.iter (fun problem -> raise (RequestException $"{model.Name} cannot be written as ONNX: {problem}"))

    /// Writes a network as ONNX under a name; `facts` go into the file's metadata. See `Onnx.write`. Refuses numbers beyond half
    /// precision, where that is asked for.
    static member WriteOnnx
        (
            network: TorchModule,
            name: string,
            options: OnnxOptions,
            facts: IReadOnlyList<KeyValuePair<string, string>>,
            target: System.IO.Stream
        ) : unit =
        try
            Onnx.write options name [ for fact in facts -> fact.Key, fact.Value ] network.Weights target
        with :? OverflowException as error ->
            raise (RequestException $"{name} cannot be written as ONNX: {error.Message}")

    /// Every tensor of the network's state, in the order of PyTorch's `state_dict`.
    static member StateTensors(plan: Plan) : IReadOnlyList<TensorSpec> = Plan.stateTensors plan

    /// The tensors of the last linear layer, which alone depend on the number of classes.
    static member Head(plan: Plan) : IReadOnlyList<TensorSpec> = Plan.head plan

    /// A module with weights drawn from `seed`.
    static member Build(model: Model, plan: Plan, placement: Placement, seed: int64) : TorchModule =
        use generator = new torch.Generator(uint64 seed, torch.CPU)
        TorchModule.create placement model.Initialisation generator plan

/// Memory that a network takes, for messages in C#.
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

/// Where and in which precision a network is held, from C#.
[<AbstractClass; Sealed>]
type Placements =
    /// How a network is held on a device in a precision.
    static member For(device: torch.Device, precision: Precision) : Placement = Precision.placement device precision
