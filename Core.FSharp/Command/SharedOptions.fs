namespace Hybrid.Command

open System
open Hybrid

/// Results one after the other, up to the first error.
type internal Checked() =
    member _.Bind(result, next) = Result.bind next result
    member _.Return value = Ok value
    member _.ReturnFrom(result: Result<_, string>) = result

/// Options that several verbs share, read from what each verb was given of them.
[<AutoOpen>]
module internal SharedOptions =

    let check = Checked()

    let all (results: Result<'a, string> list) : Result<'a list, string> =
        List.foldBack
            (fun one all -> Result.bind (fun head -> Result.map (fun tail -> head :: tail) all) one)
            results
            (Ok [])

    let machine device precision threads trim libtorch tf32 =
        check {
            let! device = Value.device (Option.defaultValue "auto" device)
            let! precision = Value.precision (Option.defaultValue "float32" precision)
            let! threads = threads |> Option.map Value.threads |> Option.defaultValue (Ok 0)

            do!
                if tf32 && precision <> Precision.Float32 then
                    Error "--tf32 is a way to multiply float32 numbers: leave --precision out"
                elif tf32 && (device = "cpu" || device = "mps") then
                    Error $"--tf32 is for NVIDIA GPUs: --device is {device}"
                else
                    Ok()

            return {
                Device = device
                Precision = precision
                Threads = threads
                TrimMemory = trim
                Libtorch = Option.defaultValue "" libtorch
                Tf32 = tf32
            }
        }

    let data source valSize splitSeed limits =
        let limit name = Option.map (Value.atLeast 1 name) >> Option.defaultValue (Ok -1)
        let train, validation, test = limits

        check {
            let! source = source |> Option.map Value.source |> Option.defaultValue (Ok DataSource.Shapes)

            let! valSize =
                valSize
                |> Option.map (Value.atLeast 0 "--val-size" >> Result.map Nullable)
                |> Option.defaultValue (Ok(Nullable()))

            let! splitSeed =
                splitSeed
                |> Option.map (Value.seed "--split-seed")
                |> Option.defaultValue (Ok DataRequest.usualSeed)

            let! train = limit "--limit-train" train
            let! validation = limit "--limit-val" validation
            let! test = limit "--limit-test" test

            return {
                Source = source
                ValSize = valSize
                SplitSeed = splitSeed
                LimitTrain = train
                LimitVal = validation
                LimitTest = test
                Size = struct (32, 32)
                RefuseBroken = false
            }
        }

    /// What is asked of pictures from folders.
    let pictures size refuseBroken (data: DataRequest) =
        match Option.map Value.imageSize size, data.Source with
        | Some(Error message), _ -> Error message
        | Some _, (DataSource.Shapes | DataSource.Cifar10 _ | DataSource.Cifar100 _) ->
            Error $"--image-size is for folders of pictures: {data.Source} has a size of its own"
        | Some(Ok size), _ -> Ok { data with Size = size; RefuseBroken = refuseBroken }
        | None, _ -> Ok { data with RefuseBroken = refuseBroken }

    let model name hparams =
        all (List.map Value.pair hparams)
        |> Result.map (fun pairs -> {
            Name = Option.defaultValue "" name
            Hparams = Array.ofList pairs
            Weights = ""
        })

    /// The same of a checkpoint, which may hold several sets of weights.
    let storedModel name hparams weights =
        model name hparams
        |> Result.map (fun model -> { model with Weights = Option.defaultValue "" weights })

    let monitor metric mode patience minDelta =
        check {
            let! metric =
                Value.oneOf
                    "metric to monitor"
                    [ for word in [ "val_acc"; "val_loss"; "train_acc"; "train_loss" ] -> word, word ]
                    (Option.defaultValue "val_acc" metric)

            let! higher =
                match mode with
                | Some mode -> Value.oneOf "mode" [ "max", true; "min", false ] mode
                | None -> Ok(metric.EndsWith "acc")

            let! delta =
                match patience, minDelta with
                | None, Some _ -> Error "--min-delta is of --patience, which is missing"
                | _, Some given -> Value.within 0.0 1e30 "--min-delta" given
                | _, None -> Ok 0.0

            let! patience = patience |> Option.map (Value.atLeast 1 "--patience") |> Option.defaultValue (Ok 0)

            return {
                Metric = metric
                HigherIsBetter = higher
                Patience = patience
                MinDelta = delta
            }
        }

    let optional (read: 'a -> Result<'b, string>) (given: 'a option) : Result<'b option, string> =
        match given with
        | Some value -> Result.map Some (read value)
        | None -> Ok None

    let required option what (given: string option) =
        match given with
        | Some value when value <> "" -> Ok value
        | _ -> Error $"{option} is missing: {what}"

    /// Words separated by commas.
    let words (text: string) =
        text.Split([| ',' |], StringSplitOptions.RemoveEmptyEntries ||| StringSplitOptions.TrimEntries)
        |> List.ofArray

    /// Names of models of the zoo, as its own spelling has them; all where none are given.
    let models (given: string option) =
        let names = given |> Option.map words |> Option.defaultValue Catalogue.names

        match names |> List.map (fun name -> Catalogue.find name []) |> all with
        | Ok [] -> Error "--models names no model"
        | Ok models -> Ok [| for model in models -> model.Name |]
        | Error message -> Error message
