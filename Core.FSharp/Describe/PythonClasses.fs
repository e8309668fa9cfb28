namespace Hybrid

open System
open System.Collections.Generic

/// A number in Python code, and what it is there: `out_channels`.
type internal PythonNumber = { Meaning: string; Value: string }

/// Python code whose numbers are still told apart from its words.
[<RequireQualifiedAccess>]
type internal Python =
    | Words of string
    | Number of PythonNumber
    | Together of Python list
    /// Each on a line of its own, between the two words.
    | Rows of opening: string * Python list * closing: string
    /// A module of one of the classes, with all numbers of that class's code.
    | Make of place: int * PythonNumber list

/// What a class does: the lines of its constructor and those of `forward`.
type internal PythonBody = { Kind: string; Setup: Python list; Forward: Python list }

/// Classes of modules. Modules whose code differs in numbers alone share a class, which takes those that differ.
type internal PythonClasses() =

    let bodies = ResizeArray<PythonBody>()
    let made = ResizeArray<ResizeArray<string array>>()
    let places = Dictionary<string, int>()

    let rec numbers (code: Python) : PythonNumber list =
        match code with
        | Python.Words _ -> []
        | Python.Number number -> [ number ]
        | Python.Together parts
        | Python.Rows(_, parts, _) -> List.collect numbers parts
        | Python.Make(_, given) -> given

    let numbersOf (body: PythonBody) = List.collect numbers (body.Setup @ body.Forward)

    /// The same for all bodies that differ in numbers alone; no text of a file holds the signs between.
    let rec form (code: Python) =
        match code with
        | Python.Words words -> words
        | Python.Number number -> $"\u0001{number.Meaning}\u0001"
        | Python.Together parts -> parts |> List.map form |> String.concat "\u0002"
        | Python.Rows(opening, parts, closing) ->
            [ opening; yield! List.map form parts; closing ] |> String.concat "\u0003"
        | Python.Make(place, _) -> $"\u0004{place}\u0004"

    let name place =
        let kind = bodies[place].Kind

        match Seq.take (place + 1) bodies |> Seq.filter (fun body -> body.Kind = kind) |> Seq.length with
        | 1 -> kind
        | count -> $"{kind}{count}"

    /// What numbers are in which all modules of a class agree, and the arguments that stand for the others, each with the
    /// first place that it stands in.
    let arguments place : string option array * (string * int) list =
        let meanings = numbersOf bodies[place] |> List.map _.Meaning |> Array.ofList
        let column index = [| for values in made[place] -> values[index] |]

        let groups =
            [ 0 .. meanings.Length - 1 ]
            |> List.groupBy column
            |> List.filter (fun (values, _) -> Array.exists ((<>) values[0]) values)
            |> List.map snd

        let names = Array.create meanings.Length None
        let taken = HashSet<string>()

        let given = [
            for group in groups do
                let meaning =
                    match group |> List.map (fun index -> meanings[index]) |> List.distinct with
                    | [ single ] -> single
                    | several when several |> List.forall _.EndsWith("features") -> "features"
                    | several when several |> List.forall (fun it -> it.EndsWith "channels" || it.EndsWith "features") ->
                        "channels"
                    | several -> several.Head

                let name =
                    Seq.initInfinite (fun copy -> if copy = 0 then meaning else $"{meaning}_{copy + 1}")
                    |> Seq.find taken.Add

                for index in group do
                    names[index] <- Some name

                name, group.Head
        ]

        names, given

    let known = Dictionary<int, string option array * (string * int) list>()

    let argumentsOf place =
        match known.TryGetValue place with
        | true, found -> found
        | _ ->
            known[place] <- arguments place
            known[place]

    /// Lines beyond this are broken where an argument ends.
    let widest = 100

    let inRows indent opening (rows: string list) closing =
        let inner = String(' ', indent + 4)
        let outer = String(' ', indent)
        let rows = rows |> List.map (fun row -> $"{inner}{row},\n") |> String.concat ""
        $"{opening}\n{rows}{outer}{closing}"

    /// Takes the numbers one after the other as they are to be written.
    let rec write (spelled: Queue<string>) indent (code: Python) : string =
        match code with
        | Python.Words words -> words
        | Python.Number _ -> spelled.Dequeue()
        | Python.Together parts -> parts |> List.map (write spelled indent) |> String.concat ""
        | Python.Rows(opening, rows, closing) ->
            inRows indent opening (rows |> List.map (write spelled (indent + 4))) closing
        | Python.Make(place, given) ->
            let given = [| for _ in given -> spelled.Dequeue() |]
            let arguments = [ for name, index in snd (argumentsOf place) -> $"{name}={given[index]}" ]
            let line = name place + "(" + String.concat ", " arguments + ")"

            if indent + line.Length > widest then
                inRows indent (name place + "(") arguments ")"
            else
                line

    let text (name: string) (body: PythonBody) (spelled: Queue<string>) (given: string list) =
        let lines codes = [ for code in codes -> "        " + write spelled 8 code ]
        let given = "self" :: given |> String.concat ", "

        String.concat "\n" [
            $"class {name}(nn.Module):"
            $"    def __init__({given}):"
            "        super().__init__()"
            yield! lines body.Setup
            ""
            "    def forward(self, x):"
            yield! lines body.Forward
            ""
        ]

    /// A module that does this.
    member _.Make(body: PythonBody) : Python =
        let form =
            form (Python.Rows(body.Kind, [ Python.Together body.Setup; Python.Together body.Forward ], ""))

        let numbers = numbersOf body

        let place =
            match places.TryGetValue form with
            | true, place -> place
            | _ ->
                bodies.Add body
                made.Add(ResizeArray())
                places[form] <- bodies.Count - 1
                bodies.Count - 1

        made[place].Add [| for number in numbers -> number.Value |]
        Python.Make(place, numbers)

    /// All classes, each behind those that it makes modules of.
    member _.Texts: string list = [
        for place in 0 .. bodies.Count - 1 do
            let names, given = argumentsOf place

            let first: string array = made[place][0]
            let spelled = Array.map2 (fun name value -> Option.defaultValue value name) names first |> Queue<string>

            text (name place) bodies[place] spelled (List.map fst given)
    ]

    /// A class of one module only, with all its numbers.
    member _.Text(name: string, body: PythonBody) : string =
        text name body (Queue<string>(numbersOf body |> List.map _.Value)) []
