namespace Hybrid

open System

/// Models by name, with hyperparameters as text.
[<RequireQualifiedAccess>]
module Catalogue =

    /// A model of the zoo under its name: the hyperparameters it has by default, and how it is built from others.
    type private Entry = { Default: Model; Build: Map<string, Hparam> -> Result<Model, string> }

    let private int most key (values: Map<string, Hparam>) =
        match values[key] with
        | Hparam.Int number when number >= 1 && number <= most -> Ok number
        | Hparam.Int number when number > most ->
            Error $"hyperparameter {key} is {number}, expected a whole number of at most {most}"
        | other -> Error $"hyperparameter {key} is {other}, expected a whole number of at least 1"

    let private ints most key (values: Map<string, Hparam>) =
        match values[key] with
        | Hparam.Ints numbers when List.exists (fun n -> n > most) numbers ->
            Error $"hyperparameter {key} has {List.max numbers}, expected whole numbers of at most {most}"
        | Hparam.Ints numbers when not numbers.IsEmpty && List.forall (fun n -> n >= 1) numbers -> Ok numbers
        | other -> Error $"hyperparameter {key} is {other}, expected whole numbers of at least 1"

    /// How often a part is repeated, group by group.
    let private counts key values =
        ints Limits.blocks key values
        |> Result.bind (fun numbers ->
            let sum = List.sumBy int64 numbers

            if sum <= int64 Limits.blocks then
                Ok numbers
            else
                Error $"hyperparameter {key} comes to {sum}, expected at most {Limits.blocks} in all groups together")

    let private oneOf key allowed (values: Map<string, Hparam>) =
        let given = string values[key]

        match
            allowed
            |> List.tryFind (fun (word: string, _) -> word.Equals(given, StringComparison.OrdinalIgnoreCase))
        with
        | Some(_, meaning) -> Ok meaning
        | None -> Error(Suggest.unknown $"{key}" (List.map fst allowed) given)

    let private activation = oneOf "act_fn_name" Activations.named

    let private block =
        oneOf "block_name" [ "ResNetBlock", ResNetBlock.ResNet; "PreActResNetBlock", ResNetBlock.PreActResNet ]

    /// Applies a function to results, keeping the first error.
    let private (<*>) f x =
        match f, x with
        | Ok f, Ok x -> Ok(f x)
        | Error error, _
        | _, Error error -> Error error

    let private google = {
        Default = Zoo.googleNet { NumClasses = 10; Activation = Activation.Relu }
        Build =
            fun values ->
                let make classes act = Zoo.googleNet { NumClasses = classes; Activation = act }

                Ok make <*> int Limits.classes "num_classes" values <*> activation values
    }

    let private residual kind = {
        Default =
            Zoo.resNet {
                NumClasses = 10
                NumBlocks = [ 3; 3; 3 ]
                Channels = [ 16; 32; 64 ]
                Activation = Activation.Relu
                Block = kind
            }
        Build =
            fun values ->
                let make classes blocks channels act block : ResNet = {
                    NumClasses = classes
                    NumBlocks = blocks
                    Channels = channels
                    Activation = act
                    Block = block
                }

                Ok make
                <*> int Limits.classes "num_classes" values
                <*> counts "num_blocks" values
                <*> ints Limits.channels "c_hidden" values
                <*> activation values
                <*> block values
                |> Result.bind (fun p ->
                    if p.NumBlocks.Length = p.Channels.Length then
                        Ok(Zoo.resNet p)
                    else
                        let counts = $"{p.NumBlocks.Length} and {p.Channels.Length}"
                        Error $"num_blocks and c_hidden have {counts} values, expected as many of one as of the other")
    }

    let private dense = {
        Default =
            Zoo.denseNet {
                NumClasses = 10
                NumLayers = [ 6; 6; 6; 6 ]
                Bottleneck = 2
                Growth = 16
                Activation = Activation.Relu
            }
        Build =
            fun values ->
                let make classes layers bottleneck growth act =
                    Zoo.denseNet {
                        NumClasses = classes
                        NumLayers = layers
                        Bottleneck = bottleneck
                        Growth = growth
                        Activation = act
                    }

                Ok make
                <*> int Limits.classes "num_classes" values
                <*> counts "num_layers" values
                <*> int Limits.growth "bn_size" values
                <*> int Limits.growth "growth_rate" values
                <*> activation values
    }

    let private entries = [ google; residual ResNetBlock.ResNet; residual ResNetBlock.PreActResNet; dense ]

    /// The models' names, in the tutorial's order.
    let names = entries |> List.map _.Default.Name

    let private tryEntry (name: string) =
        entries
        |> List.tryFind (fun entry -> entry.Default.Name.Equals(name, StringComparison.OrdinalIgnoreCase))

    /// The model of that name (case does not count) with some hyperparameters given as text. The error names what
    /// is wrong and what is allowed.
    let find (name: string) (overrides: (string * string) list) : Result<Model, string> =
        match tryEntry name with
        | None -> Error(Suggest.unknown "model" names name)
        | Some entry ->
            let known = Map.ofList entry.Default.Hparams

            let apply values (key, text) =
                values
                |> Result.bind (fun values ->
                    match Map.tryFind key known with
                    | None ->
                        let keys = List.map fst entry.Default.Hparams
                        Error(Suggest.unknown $"hyperparameter of {entry.Default.Name}" keys key)
                    | Some pattern ->
                        Hparam.parseLike pattern text
                        |> Result.map (fun value -> Map.add key value values)
                        |> Result.mapError (fun expected -> $"hyperparameter {key} is '{text}', expected {expected}"))

            overrides |> List.fold apply (Ok known) |> Result.bind entry.Build
