namespace Hybrid

open System
open System.IO
open System.Text
open System.Text.Json

/// A network as JSON text, for checkpoints and for people:
///
/// `[{"name":"0","net":{"conv2d":{"channels":64,"kernel":3,"stride":1,"padding":1,"bias":true}}},"batchnorm2d","relu"]`
///
/// A chain is an array. A layer is PyTorch's name in lower case: alone where it has no settings, otherwise as the key
/// of its settings. `{"concat":[]}` and `{"sum":[]}` are forks, `{"name":"blocks","net":[]}` names what is below it, and
/// `{"order":["b","a"],"net":[]}` says what of it is constructed first.
[<RequireQualifiedAccess>]
module StoredNet =

    /// Objects and arrays inside one another; a named part takes two. Far more than any network needs, and far fewer
    /// than the stack holds.
    let private depth = 256

    let private key layer = (Layers.name layer).ToLowerInvariant()

    /// Forms of layers by their keys: a layer of that form, the settings that one may have, and how it is made of them.
    let private forms =
        Layers.forms
        |> List.map (fun (shown, make) -> key shown, (shown, (Layers.facts shown).Settings |> List.map fst, make))

    /// Padding that follows from the size of the map.
    let private same = "same"

    let private joins = [ "concat", Join.Concat; "sum", Join.Sum; "product", Join.Product ]

    let rec private writeNet (json: Utf8JsonWriter) net =
        let within (key: string) write =
            json.WriteStartObject()
            json.WritePropertyName key
            write ()
            json.WriteEndObject()

        let array nets =
            json.WriteStartArray()
            nets |> List.iter (writeNet json)
            json.WriteEndArray()

        let setting (name: string, value) =
            match value with
            | Setting.Whole number
            | Setting.Sides(Sides.Square number) -> json.WriteNumber(name, number)
            | Setting.Sides sides ->
                json.WriteStartArray name
                json.WriteNumberValue sides.Height
                json.WriteNumberValue sides.Width
                json.WriteEndArray()
            | Setting.Padding(Padding.Even(Sides.Square number)) -> json.WriteNumber(name, number)
            | Setting.Padding padding ->
                let numbers =
                    match padding with
                    | Padding.Even sides -> [ sides.Height; sides.Width ]
                    | Padding.Uneven it -> [ it.Top; it.Bottom; it.Left; it.Right ]
                    | Padding.Same -> []

                if numbers.IsEmpty then
                    json.WriteString(name, same)
                else
                    json.WriteStartArray name
                    numbers |> List.iter (fun (number: int) -> json.WriteNumberValue number)
                    json.WriteEndArray()
            | Setting.Number number -> json.WriteNumber(name, number)
            | Setting.Switch on -> json.WriteBoolean(name, on)

        match net with
        | Net.Layer layer ->
            match (Layers.facts layer).Settings with
            | [] -> json.WriteStringValue(key layer)
            | settings ->
                within (key layer) (fun () ->
                    json.WriteStartObject()
                    settings |> List.iter setting
                    json.WriteEndObject())
        | Net.Chain nets -> array nets
        | Net.Fork(join, branches) ->
            let word = joins |> List.find (fun (_, it) -> it = join) |> fst
            within word (fun () -> array branches)
        | Net.Named(segment, inner) ->
            within "name" (fun () ->
                json.WriteStringValue segment
                json.WritePropertyName "net"
                writeNet json inner)
        | Net.Ordered(segments, inner) ->
            within "order" (fun () ->
                json.WriteStartArray()
                segments |> List.iter (fun (segment: string) -> json.WriteStringValue segment)
                json.WriteEndArray()
                json.WritePropertyName "net"
                writeNet json inner)

    /// One line of JSON, from which `read` makes the same network again. Throws `InvalidOperationException` where the
    /// network is nested deeper than `read` follows.
    let write (net: Net) : string =
        use stream = new MemoryStream()
        use json = new Utf8JsonWriter(stream, JsonWriterOptions(MaxDepth = depth))
        writeNet json net
        json.Flush()
        Encoding.UTF8.GetString(stream.ToArray())

    /// Ends the reading; never leaves this file.
    exception private Refused of string

    let private refuse place problem = raise (Refused $"network at {place}: {problem}")

    let private wrong place expected (json: JsonElement) =
        let raw = json.GetRawText()
        let got = if raw.Length > 60 then raw[..59] + "…" else raw
        refuse place $"expected {expected}, got {got}"

    /// Finds a value of an object that has no other keys than these.
    let private fields place (keys: string list) (json: JsonElement) =
        if json.ValueKind <> JsonValueKind.Object then
            let keys = String.concat ", " keys
            wrong place $"an object with the keys {keys}" json

        for property in json.EnumerateObject() do
            if not (List.contains property.Name keys) then
                refuse place (Suggest.unknown "key" keys property.Name)

        fun (key: string) ->
            match json.TryGetProperty key with
            | true, value -> $"{place}.{key}", value
            | _ -> refuse place $"the key {key} is missing"

    let private int (place, json: JsonElement) =
        let mutable number = 0

        if json.ValueKind = JsonValueKind.Number && json.TryGetInt32 &number then
            number
        else
            wrong place "a whole number" json

    let private number (place, json: JsonElement) =
        let mutable number = 0.0

        if json.ValueKind = JsonValueKind.Number && json.TryGetDouble &number && Double.IsFinite number then
            number
        else
            wrong place "a number" json

    let private bool (place, json: JsonElement) =
        match json.ValueKind with
        | JsonValueKind.True -> true
        | JsonValueKind.False -> false
        | _ -> wrong place "true or false" json

    let private text (place, json: JsonElement) =
        match json.ValueKind with
        | JsonValueKind.String -> string (json.GetString())
        | _ -> wrong place "text" json

    /// A number for both sides, or one for the height and one for the width.
    let private sides (place, json: JsonElement) =
        if json.ValueKind = JsonValueKind.Array && json.GetArrayLength() = 2 then
            { Height = int ($"{place}[0]", json[0]); Width = int ($"{place}[1]", json[1]) }
        else
            Sides.square (int (place, json))

    /// A number or two as sides have them; above, below, left and right; or the word.
    let private padding (place, json: JsonElement) =
        if json.ValueKind = JsonValueKind.String && json.GetString() = same then
            Padding.Same
        elif json.ValueKind = JsonValueKind.Array && json.GetArrayLength() = 4 then
            let at index = int ($"{place}[{index}]", json[index])
            Padding.Uneven { Top = at 0; Bottom = at 1; Left = at 2; Right = at 3 }
        else
            Padding.Even(sides (place, json))

    let private layer place settings (make: SettingReader -> Layer) json =
        let at = fields place settings json

        make {
            Whole = at >> int
            Number = at >> number
            Sides = at >> sides
            Padding = at >> padding
            Switch = at >> bool
            Has = fun key -> fst (json.TryGetProperty key)
        }

    let rec private readNet place (json: JsonElement) : Net =
        match json.ValueKind with
        | JsonValueKind.Array -> Net.Chain(readAll place json)
        | JsonValueKind.String ->
            let given = string (json.GetString())

            let plain = [ for layer in Layers.bare -> key layer, layer ]

            match List.tryFind (fun (key, _) -> key = given) plain with
            | Some(_, layer) -> Net.Layer layer
            | None -> refuse place (Suggest.unknown "layer" (List.map fst plain) given)
        | JsonValueKind.Object -> readObject place json
        | _ -> wrong place "a layer, a chain or a fork" json

    and private readAll place json =
        if json.ValueKind <> JsonValueKind.Array then
            wrong place "an array" json

        json.EnumerateArray()
        |> Seq.mapi (fun index member' -> readNet $"{place}[{index}]" member')
        |> List.ofSeq

    /// The object's one key says what it is; a name stands beside what it names.
    and private readObject place json =
        let forms: (string * (string -> JsonElement -> Net)) list = [
            for key, (_, settings, make) in forms do
                if not settings.IsEmpty then
                    key, (fun place json -> Net.Layer(layer place settings make json))
            for word, join in joins do
                word, (fun place json -> Net.Fork(join, readAll place json))
        ]

        let keys = [ for property in json.EnumerateObject() -> property.Name ]

        if List.contains "order" keys then
            let at = fields place [ "order"; "net" ] json
            let place', segments = at "order"

            if segments.ValueKind <> JsonValueKind.Array then
                wrong place' "an array of names" segments

            let segments = [
                for index, segment in Seq.indexed (segments.EnumerateArray()) do
                    text ($"{place'}[{index}]", segment)
            ]

            Net.Ordered(segments, readNet $"{place}.net" (snd (at "net")))
        elif List.contains "name" keys || List.contains "net" keys then
            let at = fields place [ "name"; "net" ] json
            Net.Named(text (at "name"), readNet $"{place}.net" (snd (at "net")))
        else
            match keys |> List.map (fun key -> key, List.tryFind (fun (form, _) -> form = key) forms) with
            | [ key, Some(_, form) ] -> form $"{place}.{key}" (json.GetProperty key)
            | (key, None) :: _ -> refuse place (Suggest.unknown "key" ("name" :: "order" :: List.map fst forms) key)
            | _ -> wrong place "an object with one key" json

    /// Layers, chains and forks: what stands in an array.
    let rec private countParts (json: JsonElement) =
        match json.ValueKind with
        | JsonValueKind.Array -> json.EnumerateArray() |> Seq.sumBy (fun part -> 1 + countParts part)
        | JsonValueKind.Object -> json.EnumerateObject() |> Seq.sumBy (fun property -> countParts property.Value)
        | _ -> 0

    /// The network that `write` stored. What is unknown, missing, twice there or of a wrong type is refused by name and
    /// place.
    let read (text: string) : Result<Net, string> =
        try
            use document =
                JsonDocument.Parse(text, JsonDocumentOptions(MaxDepth = depth, AllowDuplicateProperties = false))

            let parts = countParts document.RootElement

            if parts > Limits.parts then
                Error $"network: got {parts} layers and joins, expected at most {Limits.parts}"
            else
                Ok(readNet "$" document.RootElement)
        with
        | Refused problem -> Error problem
        // Text that is no JSON, that nests too deeply, or that spells characters which do not exist.
        | :? JsonException
        | :? ArgumentException
        | :? InvalidOperationException as error -> Error $"network: not the JSON of a network: {error.Message}"
