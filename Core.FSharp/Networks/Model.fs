namespace Hybrid

/// Mean and standard deviation of each channel, of pixels scaled to 0..1: a network reads `(byte / 255 - mean) / std`.
type Normalisation = { Mean: float array; Std: float array }

/// How the learning rate of a published training falls.
[<RequireQualifiedAccess>]
type Falls =
    /// After each of these epochs to `gamma` of itself.
    | After of epochs: int list * gamma: float
    /// After every so many epochs to `gamma` of itself.
    | Every of epochs: int * gamma: float
    /// Along half a cosine to zero.
    | Cosine

/// How a model's authors trained it, in plain words and numbers; `Recipe.published` makes a recipe of it.
type Published = {
    /// One of `Recipe.optimizers`.
    Optimizer: string
    /// What is set otherwise than that optimiser has it, by the names of its options, such as `weight-decay`.
    Settings: (string * float) list
    LearningRate: float
    BatchSize: int
    Epochs: int
    /// Epochs in which the rate climbs first.
    WarmUp: int
    Falls: Falls
    /// Share of each label spread over all classes.
    LabelSmoothing: float
    /// Decay of a moving average of the weights, where one is kept.
    Average: float option
}

/// A named network that can be built, described and stored.
type Model = {
    Name: string
    /// As given or by default, in the order of the published definition.
    Hparams: (string * Hparam) list
    Classes: int
    Net: Net
    Initialisation: Initialisation
    /// Shape of the images that it was made for. It may work on others.
    Input: Shape
    /// What the published weights' pixels were normalised by, where that is no matter of the data.
    Normalisation: Normalisation option
    Published: Published
}

/// Hyperparameters of a model with their values, all of them checked.
[<Sealed>]
type Hparams(values: (string * Hparam) list) =

    let find key =
        values
        |> List.tryFind (fun (name, _) -> name = key)
        |> Option.map snd
        |> Option.defaultWith (fun () -> invalidOp $"the family has no hyperparameter {key}")

    /// In the family's order.
    member _.All = values

    /// A whole number; throws `InvalidOperationException` where the hyperparameter is none.
    member _.Int key =
        match find key with
        | Hparam.Int number -> number
        | other -> invalidOp $"hyperparameter {key} is {other}, no whole number"

    /// A list of whole numbers; throws `InvalidOperationException` where the hyperparameter is none.
    member _.Ints key =
        match find key with
        | Hparam.Ints numbers -> numbers
        | other -> invalidOp $"hyperparameter {key} is {other}, no list of whole numbers"

    /// A number; throws `InvalidOperationException` where the hyperparameter is none.
    member _.Number key =
        match find key with
        | Hparam.Number number -> number
        | other -> invalidOp $"hyperparameter {key} is {other}, no number"

    /// A word; throws `InvalidOperationException` where the hyperparameter is none.
    member _.Text key =
        match find key with
        | Hparam.Text word -> word
        | other -> invalidOp $"hyperparameter {key} is {other}, no word"

/// A hyperparameter of a family of models: its name, what it is where nobody says, and what it may be.
type HparamSpec = {
    Name: string
    Default: Hparam
    /// The value in its usual spelling, or what is wrong with it.
    Check: Hparam -> Result<Hparam, string>
}

/// A family of models under one name: how its hyperparameters make a network.
type ModelFamily = {
    Name: string
    /// `num_classes` is among them.
    Hparams: HparamSpec list
    /// Errors are sentences for whoever chose the values.
    Build: Hparams -> Result<Model, string>
}

[<RequireQualifiedAccess>]
module HparamSpec =

    /// A whole number from 1 to `most`.
    let int name usual most : HparamSpec = {
        Name = name
        Default = Hparam.Int usual
        Check =
            fun value ->
                match value with
                | Hparam.Int number when number >= 1 && number <= most -> Ok value
                | Hparam.Int number when number > most ->
                    Error $"hyperparameter {name} is {number}, expected a whole number of at most {most}"
                | other -> Error $"hyperparameter {name} is {other}, expected a whole number of at least 1"
    }

    /// Whole numbers from 1 to `most`, one or more.
    let ints name usual most : HparamSpec = {
        Name = name
        Default = Hparam.Ints usual
        Check =
            fun value ->
                match value with
                | Hparam.Ints numbers when List.exists (fun n -> n > most) numbers ->
                    Error $"hyperparameter {name} has {List.max numbers}, expected whole numbers of at most {most}"
                | Hparam.Ints numbers when not numbers.IsEmpty && List.forall (fun n -> n >= 1) numbers -> Ok value
                | other -> Error $"hyperparameter {name} is {other}, expected whole numbers of at least 1"
    }

    /// A number from `least` to `most`.
    let number name usual least most : HparamSpec = {
        Name = name
        Default = Hparam.Number usual
        Check =
            fun value ->
                match value with
                | Hparam.Number number when number >= least && number <= most -> Ok value
                | other -> Error $"hyperparameter {name} is {other}, expected a number from {least} to {most}"
    }

    /// How often a part is repeated, group by group.
    let counts name usual : HparamSpec =
        let each = ints name usual Limits.blocks

        let few value =
            match value with
            | Hparam.Ints numbers when List.sumBy int64 numbers > int64 Limits.blocks ->
                let sum = List.sumBy int64 numbers
                Error $"hyperparameter {name} comes to {sum}, expected at most {Limits.blocks} in all groups together"
            | value -> Ok value

        { each with Check = each.Check >> Result.bind few }

    /// One of some words; case does not count.
    let word name usual (allowed: string list) : HparamSpec = {
        Name = name
        Default = Hparam.Text usual
        Check =
            fun value ->
                let given = string value

                match allowed |> List.tryFind _.Equals(given, System.StringComparison.OrdinalIgnoreCase) with
                | Some word -> Ok(Hparam.Text word)
                | None -> Error(Suggest.unknown name allowed given)
    }

    /// How many classes the network tells apart: so many where nobody says.
    let classesOf usual = int "num_classes" usual Limits.classes

    /// The same: 10 where nobody says.
    let classes = classesOf 10

    /// The activation, by the tutorial's names: ReLU where nobody says.
    let activation = word "act_fn_name" "relu" (List.map fst Activations.named)

[<RequireQualifiedAccess>]
module ModelFamily =

    /// The tutorial's training of the residual networks.
    let tutorialSgd = {
        Optimizer = "sgd"
        Settings = []
        LearningRate = 0.1
        BatchSize = 128
        Epochs = 180
        WarmUp = 0
        Falls = Falls.After([ 100; 150 ], 0.1)
        LabelSmoothing = 0.0
        Average = None
    }

    /// The tutorial's training of the other networks, by AdamW (there called Adam).
    let tutorialAdam = { tutorialSgd with Optimizer = "adamw"; LearningRate = 1e-3 }

    /// Shape of the tutorial's images, CIFAR's.
    let tutorialInput = Shape.Image(3, 32, 32)

    /// The activation that the hyperparameters name.
    let activation (values: Hparams) =
        let word = values.Text HparamSpec.activation.Name
        Activations.named |> List.find (fun (name, _) -> name = word) |> snd

    /// Every hyperparameter as it is where nobody says.
    let defaults (family: ModelFamily) = [ for spec in family.Hparams -> spec.Name, spec.Default ]

    /// The model of some hyperparameters given as text, the others by default. The error names what is wrong and what is
    /// allowed.
    let build (family: ModelFamily) (overrides: (string * string) list) : Result<Model, string> =
        let known = Map.ofList (defaults family)

        let apply values (key, text) =
            values
            |> Result.bind (fun values ->
                match Map.tryFind key known with
                | None ->
                    let keys = family.Hparams |> List.map _.Name
                    Error(Suggest.unknown $"hyperparameter of {family.Name}" keys key)
                | Some pattern ->
                    Hparam.parseLike pattern text
                    |> Result.map (fun value -> Map.add key value values)
                    |> Result.mapError (fun expected -> $"hyperparameter {key} is '{text}', expected {expected}"))

        let checkedIn values =
            (family.Hparams, Ok [])
            ||> List.foldBack (fun spec rest ->
                match spec.Check(Map.find spec.Name values), rest with
                | Ok value, Ok rest -> Ok((spec.Name, value) :: rest)
                | Error error, _ -> Error error
                | Ok _, Error error -> Error error)

        overrides
        |> List.fold apply (Ok known)
        |> Result.bind checkedIn
        |> Result.bind (fun values -> family.Build(Hparams values))

[<RequireQualifiedAccess>]
module Model =

    /// A network of one's own for so many classes, with PyTorch's first weights, to be trained as the tutorial trains what
    /// has no recipe of its own.
    let ofNet name classes net : Model = {
        Name = name
        Hparams = []
        Classes = classes
        Net = net
        Initialisation = Initialisation.PyTorch
        Input = ModelFamily.tutorialInput
        Normalisation = None
        Published = ModelFamily.tutorialAdam
    }
