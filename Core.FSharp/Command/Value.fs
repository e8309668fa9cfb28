namespace Hybrid.Command

open System
open System.Globalization
open Hybrid

/// Values of options, each with an error that names what was given and what is allowed.
module internal Value =

    let oneOf kind (allowed: (string * 'a) list) (given: string) =
        allowed
        |> List.tryFind (fun (word, _) -> word.Equals(given, StringComparison.OrdinalIgnoreCase))
        |> Option.map (snd >> Ok)
        |> Option.defaultWith (fun () -> Error(Suggest.unknown kind (List.map fst allowed) given))

    let atLeast minimum option value =
        if value >= minimum then
            Ok value
        else
            Error $"{option} is {value}, expected at least {minimum}"

    /// What `--batch-size` says where the size is to be found.
    let auto = "auto"

    /// A number of images; `None` for `auto`.
    let batchSize (text: string) =
        match Int32.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture) with
        | _ when text.Equals(auto, StringComparison.OrdinalIgnoreCase) -> Ok None
        | true, size when size >= 1 -> Ok(Some size)
        | _ -> Error $"--batch-size is {text}, expected a number of at least 1, or {auto}"

    let within low high option (value: float) =
        if value >= low && value <= high then
            Ok value
        else
            let given = value.ToString CultureInfo.InvariantCulture
            Error $"{option} is {given}, expected a number from {low} to {high}"

    let positive option (value: float) =
        if value > 0.0 && Double.IsFinite value then
            Ok value
        else
            let given = value.ToString CultureInfo.InvariantCulture
            Error $"{option} is {given}, expected a number above 0"

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

        oneOf "data" [ "shapes", 0; "cifar10", 1; "cifar100", 2; "folder", 3 ] kind
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
        let numbers =
            text.Split ','
            |> Array.map (fun part -> Double.TryParse(part, NumberStyles.Float, CultureInfo.InvariantCulture))

        match numbers with
        | [| (true, beta1); (true, beta2) |] when min beta1 beta2 >= 0.0 && max beta1 beta2 < 1.0 -> Ok(beta1, beta2)
        | _ -> Error $"{option} is {text}, expected two numbers from 0 to below 1 such as 0.9,0.999"

    let imageSize (text: string) =
        let sides =
            text.Split([| 'x'; '×' |])
            |> Array.map (fun side -> Int32.TryParse(side, NumberStyles.None, CultureInfo.InvariantCulture))

        match sides with
        | [| (true, side) |] when side >= 1 -> Ok struct (side, side)
        | [| (true, height); (true, width) |] when min height width >= 1 -> Ok struct (height, width)
        | _ -> Error $"--image-size is {text}, expected pixels such as 32 or 48x64 (height and width)"

    let shape (text: string) =
        let sides =
            text.Split([| 'x'; '×'; ',' |])
            |> Array.map (fun side -> Int32.TryParse(side, NumberStyles.None, CultureInfo.InvariantCulture))

        match sides with
        | [| (true, channels); (true, height); (true, width) |] when min channels (min height width) >= 1 ->
            Ok(Shape.Image(channels, height, width))
        | _ -> Error $"--input is {text}, expected channels, height and width such as 3x32x32"
