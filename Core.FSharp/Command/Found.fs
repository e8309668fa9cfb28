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

    /// Batches that an epoch is of at least, where the images allow it.
    let private leastBatches = 10

    /// Below this batch norms have too little to average over.
    let private leastSize = 8

    /// A folder of one's own may be so small that a batch of the usual size leaves out much of every epoch: it gets a
    /// smaller one, and the last one is kept unless it is a single image, which batch norms cannot bear.
    let fit images (request: TrainRequest) =
        let trial =
            request.FastDevRun
            || request.Arguments |> Array.exists (fun word -> word.StartsWith "--overfit-batches")

        match request.Data.Source, request.Changes.BatchSize with
        | DataSource.Folder _, None when not request.FindBatchSize ->
            let usual = Hybrid.Recipe.plain.BatchSize
            let mutable size = usual

            // A trial counts batches: it gets the largest that there is.
            while not trial && size > leastSize && leastBatches * size > images do
                size <- size / 2

            let size = min size (max images 1)

            if size = usual then
                request
            else
                let keep = images % size <> 1

                {
                    request with
                        Changes = {
                            request.Changes with
                                BatchSize = Some size
                                KeepLast = request.Changes.KeepLast || keep
                        }
                        Arguments =
                            if request.Arguments.Length = 0 then
                                [||]
                            else
                                [|
                                    yield! request.Arguments
                                    "--batch-size"
                                    string size
                                    if keep && not request.Changes.KeepLast then
                                        "--no-drop-last"
                                |]
                }
        | _ -> request

    /// The same data, which lies elsewhere now.
    let moved (text: string) source (request: TrainRequest) =
        let option = "--data"

        {
            request with
                Data = { request.Data with Source = source }
                Arguments =
                    if Array.contains option request.Arguments then
                        request.Arguments |> replace option 2 [ option; text ]
                    else
                        [| yield! request.Arguments; option; text |]
        }

    let rate (rate: float) (request: TrainRequest) =
        let text = rate.ToString("R", CultureInfo.InvariantCulture)

        {
            request with
                FindRate = false
                Changes = { request.Changes with LearningRate = Some rate }
                Arguments = request.Arguments |> replace "--find-lr" 1 [ "--lr"; text ]
        }
