namespace Hybrid.Command

open System.Globalization

/// Numbers that are looked for before a run. Once found they are written into the request and into its command line, so
/// that a run that is taken up again has them without looking again.
[<RequireQualifiedAccess>]
module Found =

    /// What a number is looked for in needs to be settled before.
    let check rateGiven trial (request: TrainRequest) =
        if request.FindRate && rateGiven then
            Error "--find-lr looks for the learning rate: leave --lr out"
        elif trial && (request.FindRate || request.FindBatchSize) then
            Error "--fast-dev-run and --overfit-batches are over before anything is found: name --batch-size and --lr"
        else
            Ok request

    /// Puts other words in the place of an option and of what belongs to it.
    let private replace (option: string) count (words: string list) (arguments: string array) =
        match System.Array.IndexOf(arguments, option) with
        | -1 -> arguments
        | at -> [| yield! Array.take at arguments; yield! words; yield! Array.skip (at + count) arguments |]

    let batchSize (size: int) (request: TrainRequest) =
        let option = "--batch-size"

        {
            request with
                FindBatchSize = false
                Changes = { request.Changes with BatchSize = Some size }
                Arguments = request.Arguments |> replace option 2 [ option; string size ]
        }

    let rate (rate: float) (request: TrainRequest) =
        let text = rate.ToString("R", CultureInfo.InvariantCulture)

        {
            request with
                FindRate = false
                Changes = { request.Changes with LearningRate = Some rate }
                Arguments = request.Arguments |> replace "--find-lr" 1 [ "--lr"; text ]
        }
