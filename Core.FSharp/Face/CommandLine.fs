namespace Hybrid

open System
open Hybrid.Command

/// Reading command lines from C#. What is wrong in one is a `RequestException` that names all of it.
[<AbstractClass; Sealed>]
type CommandLine =
    /// What `--threads` takes at most.
    static member MostThreads: int = MachineOptions.mostThreads

    /// What a command line, without the program's name, asks for.
    static member Read(arguments: string array, surroundings: Surroundings) : Request =
        Parse.commandLine surroundings arguments

    /// The same where `~` stands for nothing and no file is read.
    static member Read(arguments: string array) : Request =
        let refuse file = raise (RequestException $"--config {file}: no file of options is read here")

        CommandLine.Read(arguments, { Home = ""; ReadSettings = refuse })

    /// The run that a command line from a run's folder describes, computed on `machine`; throws where it holds what a
    /// file has no say in.
    static member Stored(arguments: string array, machine: MachineRequest, holdsValues: bool) : TrainRequest =
        Parse.stored arguments machine holdsValues |> orThrow

/// Requests made and changed from C#. What is wrong is a `RequestException`.
[<AbstractClass; Sealed>]
type Requests =
    /// A request for a model that names none: what is stored decides.
    static member Unnamed: ModelRequest = { Name = ""; Hparams = [||]; Weights = "" }

    /// A request for a model as published.
    static member Named(name: string) : ModelRequest = { Name = name; Hparams = [||]; Weights = "" }

    /// The same request for another model.
    static member WithModel(request: TrainRequest, name: string) : TrainRequest = ChangedRequest.withModel name request

    /// The same request with a batch size that suits so many images, where it names none and they are the user's own;
    /// `usual` is that of its recipe.
    static member Fitted(request: TrainRequest, usual: int, images: int) : TrainRequest =
        ChangedRequest.fit usual images request

    /// The same request for the same data at another place.
    static member Moved(request: TrainRequest, source: string) : TrainRequest =
        ChangedRequest.moved source (Parse.source source |> orThrow) request

    /// The same request with a batch size that was found, as if it had been named.
    static member WithBatchSize(request: TrainRequest, size: int) : TrainRequest =
        ChangedRequest.withBatchSize size request

    /// The same request with a learning rate that was found, as if it had been named.
    static member WithRate(request: TrainRequest, rate: float) : TrainRequest = ChangedRequest.withRate rate request

    /// A source of data as `--data` names it.
    static member Source(text: string) : DataSource = Parse.source text |> orThrow

    /// The same request for the data that a checkpoint names.
    static member WithSource(request: DataRequest, source: string) : DataRequest = {
        request with
            Source = Parse.source source |> orThrow
    }

    /// The same request, its training images divided as a run's were where it does not say otherwise itself. `held` are
    /// those to validate on; none where the data has its own. `seedGiven`: the request's seed was asked for.
    static member Divided(request: DataRequest, seedGiven: bool, held: Nullable<int>, seed: int64) : DataRequest = {
        request with
            ValSize = if request.ValSize.HasValue then request.ValSize else held
            SplitSeed = if seedGiven then request.SplitSeed else seed
    }

    /// The same request with the pictures of folders brought to the size that a network reads.
    static member WithSize(request: DataRequest, input: Shape) : DataRequest =
        match input with
        | Shape.Image(_, height, width) -> { request with Size = struct (height, width) }
        | Shape.Features _ -> request
