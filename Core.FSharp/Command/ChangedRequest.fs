namespace Hybrid.Command

open Hybrid

/// Requests for training that differ in one thing. What is looked for before a run becomes an option like those that were
/// given, so that a run that is taken up again has it without looking again.
[<RequireQualifiedAccess>]
module internal ChangedRequest =

    /// The same request with an option as if it had been given so.
    let private set name text (request: TrainRequest) = {
        request with
            Settings = GivenOption.set name text request.Settings
    }

    let withBatchSize (size: int) (request: TrainRequest) =
        set "batch-size" (string size) { request with FindBatchSize = false }

    let withRate (rate: float) (request: TrainRequest) = {
        request with
            FindRate = false
            Settings = request.Settings |> GivenOption.remove "find-lr" |> GivenOption.set "lr" (Value.ofNumber rate)
    }

    /// The same data, which lies elsewhere now.
    let moved (text: string) source (request: TrainRequest) =
        set "data" text { request with Data = { request.Data with Source = source } }

    /// The same training of another model.
    let withModel name (request: TrainRequest) =
        set "model" name { request with Model = { Name = name; Hparams = [||]; Weights = "" } }

    /// Batches that an epoch is of at least, where the images allow it.
    let private leastBatches = 10

    /// Below this batch norms have too little to average over.
    let private leastSize = 8

    /// A folder of one's own may be so small that a batch of the recipe's size, `usual`, leaves out much of every epoch: it gets a
    /// smaller one, and the last one is kept unless it is a single image, which batch norms cannot bear.
    let fit usual images (request: TrainRequest) =
        let rec halved size =
            if size > leastSize && leastBatches * size > images then
                halved (size / 2)
            else
                size

        // Where a number of batches is asked for they are as large as they can be.
        let countsBatches = request.FastDevRun || GivenOption.has "overfit-batches" request.Settings
        let size = min (if countsBatches then usual else halved usual) (max images 1)

        match request.Data.Source with
        | DataSource.Folder _ when size <> usual && not (GivenOption.has "batch-size" request.Settings) ->
            let sized = withBatchSize size request
            if images % size <> 1 then set "no-drop-last" "true" sized else sized
        | _ -> request
