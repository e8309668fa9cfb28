namespace Hybrid.Command

open System
open System.Collections.Generic
open System.Globalization
open System.Text.RegularExpressions
open Hybrid

/// Readers of values. Each is told the option's name, and its error says what was given and what is allowed.
module internal Value =

    /// Says what was given and what is expected instead.
    let refuse option text expected =
        let given = if text = "" then "empty" else text
        Error $"{option} is {given}, expected {expected}"

    let text (_: string) (given: string) : Result<string, string> = Ok given

    /// One of some words, whose case does not count.
    let word kind (allowed: (string * 'a) list) (_: string) (given: string) =
        allowed
        |> List.tryFind (fun (word, _) -> word.Equals(given, StringComparison.OrdinalIgnoreCase))
        |> Option.map (snd >> Ok)
        |> Option.defaultWith (fun () -> Error(Suggest.unknown kind (List.map fst allowed) given))

    let flag option (text: string) =
        match text with
        | "true" -> Ok true
        | "false" -> Ok false
        | _ -> refuse option text "true or false"

    /// Epochs in which a body is frozen; all where there is no number.
    let frozenEpochs option (text: string) =
        match text with
        | ""
        | "true" -> Ok BodyTraining.frozen.FrozenEpochs
        | "false" -> Ok BodyTraining.trained.FrozenEpochs
        | _ ->
            match Int32.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture) with
            | true, epochs when epochs >= 1 && epochs < Int32.MaxValue -> Ok epochs
            | _ -> refuse option text "a whole number of epochs from 1 on, or none for all"

    let private decimal =
        Regex(@"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$", RegexOptions.CultureInvariant)

    /// A number as programs write it. Neither a decimal comma nor a separator of thousands is guessed at.
    let number option (text: string) : Result<float, string> =
        if decimal.IsMatch text then
            Ok(Double.Parse(text, NumberStyles.Float, CultureInfo.InvariantCulture))
        elif text.Contains ',' && decimal.IsMatch(text.Replace(',', '.')) then
            refuse option text $"a number with a decimal point, such as {text.Replace(',', '.')}"
        else
            refuse option text "a number such as 0.1 or 1e-3"

    /// A number as `number` reads it.
    let ofNumber (value: float) = value.ToString("R", CultureInfo.InvariantCulture).ToLowerInvariant()

    let private whole (minimum: int64) (maximum: int64) option (text: string) =
        match Int64.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture) with
        | true, value when value >= minimum && value <= maximum -> Ok value
        | true, value when value < minimum -> refuse option text $"at least {minimum}"
        | true, _ -> refuse option text $"at most {maximum}"
        | _ when decimal.IsMatch text -> refuse option text $"a whole number from {minimum} to {maximum}"
        | _ -> refuse option text "a whole number"

    /// Any whole number of 64 bits.
    let seed option text = whole Int64.MinValue Int64.MaxValue option text

    let between (minimum: int) (maximum: int) option text = whole minimum maximum option text |> Result.map int

    let atLeast minimum option text = between minimum Int32.MaxValue option text

    let atLeastLong (minimum: int64) option text = whole minimum Int64.MaxValue option text

    /// What `--batch-size` says where the size is to be found.
    let auto = "auto"

    /// A number of images; `None` for `auto`.
    let batchSize option (text: string) =
        match Int32.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture) with
        | _ when text.Equals(auto, StringComparison.OrdinalIgnoreCase) -> Ok None
        | true, size when size >= 1 -> Ok(Some size)
        | _ -> refuse option text $"a number of at least 1, or {auto}"

    let within low high option text =
        number option text
        |> Result.bind (fun value ->
            if value >= low && value <= high then
                Ok value
            else
                refuse option text $"a number from {low} to {high}")

    /// Tensors hold float32 numbers at least: what is further out would be no number there, or nothing.
    let positive option text =
        number option text
        |> Result.bind (fun value ->
            if value <= 0.0 then
                refuse option text "a number above 0"
            elif value < 1e-30 || value > 1e30 then
                refuse option text "a number from 1e-30 to 1e30"
            else
                Ok value)

    let source option (text: string) =
        let kind, folder =
            match text.IndexOf ':' with
            | -1 -> text, None
            | colon -> text.Substring(0, colon), Some(text.Substring(colon + 1))

        let optional make =
            match folder with
            | Some "" -> Error $"{option} {text} has no folder behind its colon"
            | folder -> Ok(make (Option.defaultValue "" folder))

        if text.Contains '\000' then
            Error $"{option} holds a NUL, which no path can"
        else
            word "data" [ for name in [ "shapes"; "cifar10"; "cifar100"; "folder" ] -> name, name ] option kind
            |> Result.mapError (fun message ->
                let folder = folder |> Option.filter ((<>) "") |> Option.defaultValue text
                $"{message}; a folder of pictures is named as folder:{folder}")
            |> Result.bind (fun kind ->
                match kind, folder with
                | "shapes", None -> Ok DataSource.Shapes
                | "shapes", Some _ -> Error $"{option} {text}: shapes are drawn and take no folder"
                | "cifar10", _ -> optional DataSource.Cifar10
                | "cifar100", _ -> optional DataSource.Cifar100
                | _, (None | Some "") -> Error $"{option} {text} names no folder: folder:DIR was expected"
                | _, Some folder -> Ok(DataSource.Folder folder))

    let device option (text: string) =
        let text = text.ToLowerInvariant()

        if Regex.IsMatch(text, "^cuda:[0-9]{1,9}$", RegexOptions.CultureInvariant) then
            Ok text
        else
            word "device" [ for word in [ "auto"; "cpu"; "cuda"; "mps" ] -> word, word ] option text
            |> Result.mapError (fun message -> message + ", cuda:N")

    let pair option (text: string) =
        match text.IndexOf '=' with
        | at when at > 0 -> Ok struct (text.Substring(0, at).Trim(), text.Substring(at + 1).Trim())
        | _ -> Error $"{option} {text}: expected KEY=VALUE, such as num_blocks=5,5,5"

    let epochs option (text: string) =
        match Hparam.parseLike (Hparam.Ints []) text with
        | Ok(Hparam.Ints epochs) when List.forall (fun epoch -> epoch >= 1) epochs -> Ok(List.sort epochs)
        | _ -> refuse option text "epochs such as 100,150"

    let betas option (text: string) =
        match text.Split ',' |> Array.map (fun part -> number option (part.Trim())) with
        | [| Ok beta1; Ok beta2 |] when min beta1 beta2 >= 0.0 && max beta1 beta2 < 1.0 -> Ok(beta1, beta2)
        | _ -> refuse option text "two numbers from 0 to below 1 such as 0.9,0.999"

    let ofEpochs (epochs: int list) = epochs |> List.map string |> String.concat ","

    let ofBetas (beta1, beta2) = $"{ofNumber beta1},{ofNumber beta2}"

    /// Pixels a side: a picture of more is a whole scan, and a batch of them fits no memory.
    let private largestSide = 8192

    /// Whole numbers of at least 1 between separators.
    let private sides (separators: char array) (text: string) =
        let parse (side: string) =
            match Int32.TryParse(side, NumberStyles.None, CultureInfo.InvariantCulture) with
            | true, side when side >= 1 -> side
            | _ -> 0

        let sides = text.Split separators |> Array.map parse
        if Array.contains 0 sides then [||] else sides

    let imageSize option (text: string) =
        match sides [| 'x'; '×' |] text with
        | ([| _ |] | [| _; _ |]) as sides when Array.max sides > largestSide ->
            refuse option text $"at most {largestSide} pixels a side"
        | ([| _ |] | [| _; _ |]) as sides -> Ok(struct (sides[0], Array.last sides))
        | _ -> refuse option text "pixels such as 32 or 48x64 (height and width)"

    let shape option (text: string) =
        match sides [| 'x'; '×'; ',' |] text with
        | [| channels; height; width |] -> Ok(Shape.Image(channels, height, width))
        | _ -> refuse option text "channels, height and width such as 3x32x32"

    /// Words separated by commas.
    let private words (text: string) =
        text.Split(',', StringSplitOptions.RemoveEmptyEntries ||| StringSplitOptions.TrimEntries)
        |> List.ofArray

    /// Words separated by commas, each read by itself; the first mistake counts.
    let private list read (text: string) =
        let add one all = Result.bind (fun one -> Result.map (fun all -> one :: all) all) one
        List.foldBack add (words text |> List.map read) (Ok [])

    /// The name of a model of the zoo, as it is given; empty for the usual one.
    let model (_: string) (name: string) =
        if name = "" then
            Ok name
        else
            Catalogue.find name [] |> Result.map (fun _ -> name)

    /// Names of models of the zoo, as its own spelling has them.
    let models option text : Result<IReadOnlyList<string>, string> =
        match list (fun name -> Catalogue.find name []) text with
        | Ok [] -> Error $"{option} names no model"
        | Ok models -> Ok [| for model in models -> model.Name |]
        | Error message -> Error message

    /// What `bench` compares with.
    let comparisons option text =
        list (word "comparison" [ for word in [ "naive"; "pytorch"; "lightning" ] -> word, word ] option) text

    /// A file to write a table to, or `-`.
    let csv option (text: string) =
        if text = "" then
            Error $"{option} names no file; - stands for stdout"
        else
            Ok text
