namespace Hybrid.Command

open Hybrid

/// Runs cut short to try something out, in the sense of PyTorch Lightning's flags of the same names.
module internal Trial =

    let private batches count (request: TrainRequest) =
        let size = Option.defaultValue Recipe.plain.BatchSize request.Changes.BatchSize
        int (min (int64 count * int64 size) (int64 System.Int32.MaxValue))

    let private atMost images limit = if limit < 0 then images else min images limit

    /// One batch of each split and one step, through all that a run does; nothing is left behind.
    let fastDevRun (request: TrainRequest) : TrainRequest =
        let limit = atMost (batches 1 request)

        {
            request with
                FastDevRun = true
                Changes = { request.Changes with MaxSteps = Some 1L }
                Data = {
                    request.Data with
                        LimitTrain = limit request.Data.LimitTrain
                        LimitVal = limit request.Data.LimitVal
                        LimitTest = limit request.Data.LimitTest
                }
        }

    /// The first batches of training and validation images, the same in every epoch; all of the test images.
    let overfit count (request: TrainRequest) : TrainRequest =
        let limit = atMost (batches count request)

        {
            request with
                Changes = { request.Changes with KeepOrder = true }
                Data = {
                    request.Data with
                        LimitTrain = limit request.Data.LimitTrain
                        LimitVal = limit request.Data.LimitVal
                }
        }

    /// The request as these flags change it.
    let apply fast (overfitBatches: int option) request =
        match fast, overfitBatches with
        | true, Some _ -> Error "--fast-dev-run and --overfit-batches are two trials: give one of them"
        | true, None -> Ok(fastDevRun request)
        | false, Some count -> Ok(overfit count request)
        | false, None -> Ok request
