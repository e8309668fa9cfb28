namespace Hybrid

open System
open System.Text.Json
open System.Text.Json.Nodes

/// A model as checkpoints hold it: its name with its hyperparameters, and beside them the network itself, so that one
/// that no catalogue knows can be read as well.
[<RequireQualifiedAccess>]
module StoredModel =

    let private fans = [ "fan_in", Fan.In; "fan_out", Fan.Out ]

    let private initialisation it : JsonNode =
        let result = JsonObject()

        match it with
        | Initialisation.PyTorch -> result.Add("name", "pytorch")
        | Initialisation.KaimingNormal(fan, activation) ->
            result.Add("name", "kaiming_normal")
            result.Add("mode", JsonValue.Create(fans |> List.find (fun (_, it) -> it = fan) |> fst))
            result.Add("nonlinearity", JsonValue.Create(Activations.name activation))

        result

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

    let private toInitialisation (node: JsonNode | null) =
        match node with
        | :? JsonObject as fields when text fields["name"] = "pytorch" -> Ok Initialisation.PyTorch
        | :? JsonObject as fields when text fields["name"] = "kaiming_normal" ->
            match oneOf "mode" fans fields["mode"], oneOf "nonlinearity" Activations.named fields["nonlinearity"] with
            | Ok fan, Ok activation -> Ok(Initialisation.KaimingNormal(fan, activation))
            | Error problem, _
            | _, Error problem -> Error problem
        | _ -> Error "its network: unknown initialisation; allowed: pytorch, kaiming_normal"

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
