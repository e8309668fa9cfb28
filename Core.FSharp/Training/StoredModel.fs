namespace Hybrid

open System
open System.Text.Json
open System.Text.Json.Nodes

/// A model as checkpoints hold it: its name with its hyperparameters, and beside them the network itself, so that one
/// that no catalogue knows can be read as well.
[<RequireQualifiedAccess>]
module StoredModel =

    let private fans = [ "fan_in", Fan.In; "fan_out", Fan.Out ]

    let private named (name: string) (fields: (string * JsonNode) list) =
        let result = JsonObject()
        result.Add("name", name)

        for key, value in fields do
            result.Add(key, value)

        result

    let private number (value: float) : JsonNode = JsonValue.Create value

    let private word (text: string) : JsonNode = JsonValue.Create text

    let private nonlinearity activation = "nonlinearity", word (Activations.name activation)

    let private kaiming fan activation = [
        "mode", word (fans |> List.find (fun (_, it) -> it = fan) |> fst)
        nonlinearity activation
    ]

    let private redraw it : JsonNode =
        match it with
        | Redraw.Kept -> named "kept" []
        | Redraw.Normal std -> named "normal" [ "std", number std ]
        | Redraw.Kaiming(fan, activation) -> named "kaiming_normal" (kaiming fan activation)
        | Redraw.KaimingOfGroup -> named "kaiming_normal_of_group" []
        | Redraw.TruncatedNormal std -> named "truncated_normal" [ "std", number std ]
        | Redraw.UniformByOutputs -> named "uniform_by_outputs" []

    let private initialisation it : JsonNode =
        match it with
        | Initialisation.PyTorch -> named "pytorch" []
        | Initialisation.KaimingNormal(fan, activation) -> named "kaiming_normal" (kaiming fan activation)
        | Initialisation.Redrawn it ->
            let others = JsonObject()

            for segments, how in it.Others do
                others.Add(segments, redraw how)

            named "redrawn" [
                "convolutions", redraw it.Convolutions
                "linear", redraw it.Linear
                "zero_biases", JsonValue.Create it.ZeroBiases
                "others", others
            ]

    /// One line of JSON: the network with its number of classes and its first draws. Throws `InvalidOperationException`
    /// where it is nested too deeply to be read again.
    let write (model: Model) : string =
        let result = JsonObject()
        result.Add("classes", model.Classes)
        result.Add("initialisation", initialisation model.Initialisation)
        result.Add("net", JsonValue.Create(StoredNet.write model.Net))
        result.ToJsonString()

    let private text (node: JsonNode | null) =
        match node with
        | :? JsonValue as value ->
            match value.TryGetValue<string>() with
            | true, text -> text
            | _ -> ""
        | _ -> ""

    let private oneOf what (allowed: (string * 'a) list) (node: JsonNode | null) =
        let given = text node

        match List.tryFind (fun (word, _) -> word = given) allowed with
        | Some(_, meaning) -> Ok meaning
        | None -> Error $"its network: {Suggest.unknown what (List.map fst allowed) given}"

    let private toKaiming (fields: JsonObject) =
        match oneOf "mode" fans fields["mode"], oneOf "nonlinearity" Activations.named fields["nonlinearity"] with
        | Ok fan, Ok activation -> Ok(fan, activation)
        | Error problem, _
        | _, Error problem -> Error problem

    let private toStd (fields: JsonObject) =
        match fields["std"] with
        | :? JsonValue as value ->
            match value.TryGetValue<float>() with
            | true, std when std > 0.0 && Double.IsFinite std -> Ok std
            | _ -> Error $"its network: std is {value.ToJsonString()}, expected a number above 0"
        | _ -> Error "its network: the std of its first weights is missing"

    let private toRedraw (node: JsonNode | null) =
        match node with
        | :? JsonObject as fields ->
            match text fields["name"] with
            | "kept" -> Ok Redraw.Kept
            | "normal" -> toStd fields |> Result.map Redraw.Normal
            | "kaiming_normal" -> toKaiming fields |> Result.map Redraw.Kaiming
            | "kaiming_normal_of_group" -> Ok Redraw.KaimingOfGroup
            | "truncated_normal" -> toStd fields |> Result.map Redraw.TruncatedNormal
            | "uniform_by_outputs" -> Ok Redraw.UniformByOutputs
            | _ ->
                Error
                    "its network: unknown draw of its first weights; allowed: kept, normal, kaiming_normal, kaiming_normal_of_group, truncated_normal, uniform_by_outputs"
        | _ -> Error "its network: a draw of its first weights is missing"

    /// All of them, or the first mistake.
    let private all (results: Result<'a, string> list) : Result<'a list, string> =
        (results, Ok [])
        ||> List.foldBack (fun one rest -> Result.bind (fun one -> Result.map (fun rest -> one :: rest) rest) one)

    let private toRedrawn (fields: JsonObject) =
        let others =
            match fields["others"] with
            | :? JsonObject as others ->
                all [ for other in others -> toRedraw other.Value |> Result.map (fun how -> other.Key, how) ]
            | _ -> Error "its network: the others of its first weights are missing"

        let zeroBiases =
            match fields["zero_biases"] with
            | :? JsonValue as biases ->
                match biases.TryGetValue<bool>() with
                | true, on -> Ok on
                | _ -> Error "its network: zero_biases is neither true nor false"
            | _ -> Error "its network: zero_biases of its first weights is missing"

        match toRedraw fields["convolutions"], toRedraw fields["linear"], others, zeroBiases with
        | Ok convolutions, Ok linear, Ok others, Ok zeroBiases ->
            Ok(
                Initialisation.Redrawn {
                    Convolutions = convolutions
                    Linear = linear
                    ZeroBiases = zeroBiases
                    Others = others
                }
            )
        | Error problem, _, _, _
        | _, Error problem, _, _
        | _, _, Error problem, _
        | _, _, _, Error problem -> Error problem

    let private toInitialisation (node: JsonNode | null) =
        match node with
        | :? JsonObject as fields when text fields["name"] = "pytorch" -> Ok Initialisation.PyTorch
        | :? JsonObject as fields when text fields["name"] = "kaiming_normal" ->
            toKaiming fields |> Result.map Initialisation.KaimingNormal
        | :? JsonObject as fields when text fields["name"] = "redrawn" -> toRedrawn fields
        | _ -> Error "its network: unknown initialisation; allowed: pytorch, kaiming_normal, redrawn"

    let private toClasses (node: JsonNode | null) =
        match node with
        | :? JsonValue as value ->
            match value.TryGetValue<int>() with
            | true, count when count >= 1 && count <= Limits.classes -> Ok count
            | _ -> Error $"its network: classes is {value.ToJsonString()}, expected a number from 1 to {Limits.classes}"
        | _ -> Error "its network: the number of classes is missing"

    /// What `write` has written; the error says what cannot be.
    let read (text': string) : Result<int * Initialisation * Net, string> =
        let parsed =
            try
                match
                    JsonNode.Parse(text', documentOptions = JsonDocumentOptions(AllowDuplicateProperties = false))
                with
                | :? JsonObject as fields -> Some fields
                | _ -> None
            with
            | :? JsonException
            | :? ArgumentException -> None

        match parsed with
        | None -> Error "its network is no JSON object"
        | Some stored ->
            StoredNet.read (text stored["net"])
            |> Result.mapError (fun problem -> $"its {problem}")
            |> Result.bind (fun net ->
                match toClasses stored["classes"], toInitialisation stored["initialisation"] with
                | Ok classes, Ok initialisation -> Ok(classes, initialisation, net)
                | Error problem, _
                | _, Error problem -> Error problem)

    let private asText (node: JsonNode | null) =
        let one (node: JsonNode | null) =
            match node with
            | null -> ""
            | :? JsonValue as value -> string value
            | nested -> nested.ToJsonString()

        match node with
        | :? JsonArray as items -> items |> Seq.map one |> String.concat ","
        | node -> one node

    let private storedName (stored: JsonObject) =
        match stored["model_name"] with
        | null -> ""
        | :? JsonValue as name -> string name
        | other -> other.ToJsonString()

    let private storedHparams (stored: JsonObject) =
        match stored["model_hparams"] with
        | :? JsonObject as fields -> [ for field in fields -> field.Key, asText field.Value ]
        | _ -> []

    let private isKnown (name: string) =
        (Catalogue.names ()) |> List.exists _.Equals(name, System.StringComparison.OrdinalIgnoreCase)

    /// The model of a file: of its hyperparameters, and of the network beside them if there is one. `name` and `overrides`
    /// win over what is stored; a network that is stored wins over what a catalogue has under its name today.
    let restore
        (stored: JsonObject)
        (network: string | null)
        (name: string)
        (overrides: (string * string) list)
        : Result<Model, string> =
        let own = storedName stored
        let wanted = if name = "" then own else name
        let asStored = wanted.Equals(own, System.StringComparison.OrdinalIgnoreCase)

        match network with
        | null when wanted = "" -> Error "the checkpoint does not name its network: say which it is with --model"
        | null -> Catalogue.find wanted (storedHparams stored @ overrides)
        | network when asStored && overrides.IsEmpty ->
            read network
            |> Result.map (fun (classes, initialisation, net) ->
                match Catalogue.find own (storedHparams stored) with
                | Ok model when model.Net = net && model.Initialisation = initialisation -> model
                | _ -> {
                    Model.ofNet (if own = "" then "network" else own) classes net with
                        Initialisation = initialisation
                        Hparams = [ for key, value in storedHparams stored -> key, Hparam.Text value ]
                  })
        | _ when asStored && not (isKnown own) ->
            Error $"the checkpoint holds the network '{own}' as it is, which has no hyperparameters to change"
        | _ -> Catalogue.find wanted (storedHparams stored @ overrides)
