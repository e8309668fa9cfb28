namespace Hybrid

open System
open System.Globalization

/// A value of a hyperparameter, as it is given on a command line and stored in a checkpoint.
[<RequireQualifiedAccess>]
type Hparam =
    | Int of int
    | Ints of int list
    | Number of float
    | Text of string

    override value.ToString() =
        match value with
        | Int number -> string number
        | Ints numbers -> numbers |> List.map string |> String.concat ","
        | Number number -> number.ToString("R", CultureInfo.InvariantCulture)
        | Text text -> text

[<RequireQualifiedAccess>]
module Hparam =

    let private tryInt (text: string) =
        match Int32.TryParse(text.Trim(), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture) with
        | true, number -> Some number
        | _ -> None

    /// Reads `text` as a value of the same kind as `pattern`; the error says what is expected.
    let parseLike pattern (text: string) =
        match pattern with
        | Hparam.Int _ ->
            match tryInt text with
            | Some number -> Ok(Hparam.Int number)
            | None -> Error "a whole number"
        | Hparam.Ints _ ->
            let numbers = text.Split([| ','; ' ' |], StringSplitOptions.RemoveEmptyEntries) |> Array.map tryInt

            if numbers.Length > 0 && Array.forall Option.isSome numbers then
                Ok(Hparam.Ints(numbers |> Array.choose id |> List.ofArray))
            else
                Error "whole numbers separated by commas, such as 16,32,64"
        | Hparam.Number _ ->
            match Double.TryParse(text.Trim(), NumberStyles.Float, CultureInfo.InvariantCulture) with
            | true, number when Double.IsFinite number -> Ok(Hparam.Number number)
            | _ -> Error "a number"
        | Hparam.Text _ -> Ok(Hparam.Text(text.Trim()))

/// What may have been meant by a word that is not known.
[<RequireQualifiedAccess>]
module Suggest =

    /// Edits that turn one word into another: inserted, dropped, changed and swapped letters.
    /// Damerau, "A technique for computer detection and correction of spelling errors", 1964 (optimal string alignment).
    let private distance (a: string) (b: string) =
        let table =
            Array2D.init (a.Length + 1) (b.Length + 1) (fun i j ->
                if i = 0 then j
                elif j = 0 then i
                else 0)

        for i in 1 .. a.Length do
            for j in 1 .. b.Length do
                let change = if a[i - 1] = b[j - 1] then 0 else 1

                table[i, j] <- min (min (table[i - 1, j] + 1) (table[i, j - 1] + 1)) (table[i - 1, j - 1] + change)

                if i > 1 && j > 1 && a[i - 1] = b[j - 2] && a[i - 2] = b[j - 1] then
                    table[i, j] <- min table[i, j] (table[i - 2, j - 2] + 1)

        table[a.Length, b.Length]

    let private digits (word: string) = String.filter Char.IsDigit word

    /// The allowed word that was probably meant, if one is near. Another number is another thing, not a slip:
    /// a ResNet50 is no ResNet.
    let nearest (allowed: string seq) (given: string) =
        let given = given.ToLowerInvariant()

        let near =
            allowed
            |> Seq.filter (fun word -> digits word = digits given && given.Length < 100)
            |> Seq.map (fun word -> word, distance (word.ToLowerInvariant()) given)
            |> Seq.filter (fun (word, edits) -> edits <= max 1 (word.Length / 3))

        if Seq.isEmpty near then None else Some(near |> Seq.minBy snd |> fst)

    let private plain (word: string) = word.ToLowerInvariant() |> String.filter Char.IsLetterOrDigit

    /// The models that were probably meant. A name that is the beginning of others stands for each of them. Where a size is
    /// part of a name, more letters make another network: a ResNeXt50 or an xresnet50 is no slip for a ResNet50, so that
    /// beside hyphens and the like one letter may be wrong or missing.
    let nearestModels (allowed: string seq) (given: string) : string list =
        let begun =
            if given.Length < 4 then
                []
            else
                allowed
                |> Seq.filter (fun word -> (plain word).StartsWith(plain given, StringComparison.Ordinal))
                |> List.ofSeq

        let isSized word = digits word <> ""

        match begun with
        | [] when isSized given ->
            allowed
            |> Seq.filter (fun word ->
                isSized word
                && given.Length < 100
                && digits word = digits given
                && (plain given).Length <= (plain word).Length
                && distance (plain word) (plain given) <= 1)
            |> List.ofSeq
        | [] -> nearest (Seq.filter (isSized >> not) allowed) given |> Option.toList
        | begun -> begun

    /// "unknown KIND 'given'; did you mean X or Y? allowed: …", by a way to find what may have been meant.
    let unknownBy (near: string seq -> string -> string list) (kind: string) (allowed: string seq) (given: string) =
        let hint =
            match near allowed given with
            | [] -> ";"
            | words ->
                let meant = words |> List.truncate 3 |> String.concat " or "
                $"; did you mean {meant}?"

        let allowed = String.concat ", " allowed
        // It may come from a file.
        let given =
            given[.. min 200 given.Length - 1] |> String.map (fun it -> if Char.IsControl it then '?' else it)

        $"unknown {kind} '{given}'{hint} allowed: {allowed}"

    /// "unknown KIND 'given'; did you mean X? allowed: …".
    let unknown (kind: string) (allowed: string seq) (given: string) =
        unknownBy (fun allowed given -> nearest allowed given |> Option.toList) kind allowed given
