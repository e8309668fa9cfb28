namespace Hybrid.Command

open System
open System.Globalization
open System.Text.RegularExpressions
open Hybrid

/// Values of options, each with an error that names what was given and what is allowed.
module internal Value =

    let oneOf kind (allowed: (string * 'a) list) (given: string) =
        allowed
        |> List.tryFind (fun (word, _) -> word.Equals(given, StringComparison.OrdinalIgnoreCase))
        |> Option.map (snd >> Ok)
        |> Option.defaultWith (fun () -> Error(Suggest.unknown kind (List.map fst allowed) given))

    let private decimal =
        Regex(@"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$", RegexOptions.CultureInvariant)

    /// A number as programs write it. Neither a decimal comma nor a separator of thousands is guessed at.
    let number option (text: string) : Result<float, string> =
        if decimal.IsMatch text then
            Ok(Double.Parse(text, NumberStyles.Float, CultureInfo.InvariantCulture))
        elif text.Contains ',' && decimal.IsMatch(text.Replace(',', '.')) then
            Error $"{option} is {text}, expected a number with a decimal point, such as {text.Replace(',', '.')}"
        else
            Error $"{option} is {text}, expected a number such as 0.1 or 1e-3"

    let private whole (minimum: int64) (maximum: int64) option (text: string) =
        match Int64.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture) with
        | true, value when value >= minimum && value <= maximum -> Ok value
        | true, value when value < minimum -> Error $"{option} is {text}, expected at least {minimum}"
        | true, _ -> Error $"{option} is {text}, expected at most {maximum}"
        | _ when decimal.IsMatch text ->
            Error $"{option} is {text}, expected a whole number from {minimum} to {maximum}"
        | _ -> Error $"{option} is {text}, expected a whole number"

    /// Any whole number of 64 bits: a seed.
    let seed option = whole Int64.MinValue Int64.MaxValue option

    let atLeast (minimum: int) option text = whole minimum Int32.MaxValue option text |> Result.map int

    let atLeastLong (minimum: int64) option text = whole minimum Int64.MaxValue option text

    let between (minimum: int) (maximum: int) option text = whole minimum maximum option text |> Result.map int

    /// More threads than any machine has cores would only wait for one another.
    /// Threads beyond the cores wait for one another, and each has a stack.
    let mostThreads = 1024

    let threads text = between 1 mostThreads "--threads" text

    /// What `--batch-size` says where the size is to be found.
    let auto = "auto"

    /// A number of images; `None` for `auto`.
    let batchSize (text: string) =
        match Int32.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture) with
        | _ when text.Equals(auto, StringComparison.OrdinalIgnoreCase) -> Ok None
        | true, size when size >= 1 -> Ok(Some size)
        | _ -> Error $"--batch-size is {text}, expected a number of at least 1, or {auto}"

    let within low high option text =
        number option text
        |> Result.bind (fun value ->
            if value >= low && value <= high then
                Ok value
            else
                Error $"{option} is {text}, expected a number from {low} to {high}")

    /// Tensors hold float32 numbers at least: what is further out would be no number there, or nothing.
    let positive option text =
        number option text
        |> Result.bind (fun value ->
            if value <= 0.0 then
                Error $"{option} is {text}, expected a number above 0"
            elif value < 1e-30 || value > 1e30 then
                Error $"{option} is {text}, expected a number from 1e-30 to 1e30"
            else
                Ok value)

    let source (text: string) =
        let kind, folder =
            match text.IndexOf ':' with
            | -1 -> text, ""
            | colon -> text.Substring(0, colon), text.Substring(colon + 1)

        let withFolder make =
            if text.EndsWith ':' then
                Error $"--data {text} has no folder behind its colon"
            else
                Ok(make folder)

        if text.Contains '\000' then
            Error "--data holds a NUL, which no path can"
        else

            oneOf "data" [ "shapes", 0; "cifar10", 1; "cifar100", 2; "folder", 3 ] kind
            |> Result.mapError (fun message ->
                message + "; a folder of pictures is named as folder:" + if folder = "" then text else folder)
            |> Result.bind (function
                | 0 when text.Contains ':' -> Error $"--data {text}: shapes are drawn and take no folder"
                | 0 -> Ok DataSource.Shapes
                | 1 -> withFolder DataSource.Cifar10
                | 2 -> withFolder DataSource.Cifar100
                | _ when folder = "" -> Error $"--data {text} names no folder: folder:DIR was expected"
                | _ -> Ok(DataSource.Folder folder))

    let device (text: string) =
        let number (text: string) =
            match Int32.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture) with
            | true, _ -> true
            | _ -> false

        let text = text.ToLowerInvariant()

        if text.StartsWith "cuda:" && number (text.Substring 5) then
            Ok text
        else
            oneOf "device" [ for word in [ "auto"; "cpu"; "cuda"; "mps" ] -> word, word ] text
            |> Result.mapError (fun message -> message + ", cuda:N")

    let precision =
        oneOf "precision" [ "float32", Precision.Float32; "float64", Precision.Float64; "bfloat16", Precision.BFloat16 ]

    let pair (text: string) =
        match text.IndexOf '=' with
        | at when at > 0 -> Ok struct (text.Substring(0, at).Trim(), text.Substring(at + 1).Trim())
        | _ -> Error $"--hparam {text}: expected KEY=VALUE, such as num_blocks=5,5,5"

    let epochs option (text: string) =
        match Hparam.parseLike (Hparam.Ints []) text with
        | Ok(Hparam.Ints epochs) when List.forall (fun epoch -> epoch >= 1) epochs -> Ok(List.sort epochs)
        | _ -> Error $"{option} is {text}, expected epochs such as 100,150"

    let betas option (text: string) =
        match text.Split ',' |> Array.map (fun part -> number option (part.Trim())) with
        | [| Ok beta1; Ok beta2 |] when min beta1 beta2 >= 0.0 && max beta1 beta2 < 1.0 -> Ok(beta1, beta2)
        | _ -> Error $"{option} is {text}, expected two numbers from 0 to below 1 such as 0.9,0.999"

    /// Pixels a side: a picture of more is a whole scan, and a batch of them fits no memory.
    let private largestSide = 8192

    let imageSize (text: string) =
        let sides =
            text.Split([| 'x'; '×' |])
            |> Array.map (fun side -> Int32.TryParse(side, NumberStyles.None, CultureInfo.InvariantCulture))

        let size height width =
            if max height width > largestSide then
                Error $"--image-size is {text}, expected at most {largestSide} pixels a side"
            else
                Ok struct (height, width)

        match sides with
        | [| (true, side) |] when side >= 1 -> size side side
        | [| (true, height); (true, width) |] when min height width >= 1 -> size height width
        | _ -> Error $"--image-size is {text}, expected pixels such as 32 or 48x64 (height and width)"

    let shape (text: string) =
        let sides =
            text.Split([| 'x'; '×'; ',' |])
            |> Array.map (fun side -> Int32.TryParse(side, NumberStyles.None, CultureInfo.InvariantCulture))

        match sides with
        | [| (true, channels); (true, height); (true, width) |] when min channels (min height width) >= 1 ->
            Ok(Shape.Image(channels, height, width))
        | _ -> Error $"--input is {text}, expected channels, height and width such as 3x32x32"
