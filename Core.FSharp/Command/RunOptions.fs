namespace Hybrid.Command

open Hybrid

/// What a run is watched by, what is kept of it, how it is tried out and taken up again.
module internal RunOptions =

    let private metrics = [ yield! MetricName.validation; yield! MetricName.training ]

    let watching =
        let best = Draft.start.Monitor
        let names = String.concat ", " metrics

        [
            $"--monitor METRIC  what the best checkpoint is best in: {names}"
            |> Row.sets (Value.word "metric to monitor" [ for metric in metrics -> metric, metric ]) (fun it draft -> {
                draft with
                    Monitor.Metric = it
                    Monitor.HigherIsBetter = MetricName.isShare it
            })
            |> Row.byDefault best.Metric
            "--mode MODE  max or min (default: what suits the monitored metric)"
            |> Row.sets (Value.word "mode" [ "max", true; "min", false ]) (fun it draft -> {
                draft with
                    Monitor.HigherIsBetter = it
            })
            "--patience N  end after this many epochs without a better monitored metric"
            |> Row.sets (Value.atLeast 1) (fun it draft -> { draft with Monitor.Patience = it })
            |> Row.decides
            "--min-delta X  by how much it must be better for --patience"
            |> Row.fits (Value.within 0.0 1e30) (fun it draft ->
                if draft.Monitor.Patience = 0 then
                    Error "--min-delta is of --patience, which is missing"
                else
                    Ok { draft with Monitor.MinDelta = it })
            |> Row.byDefault best.MinDelta
            "--lr-monitor INTERVAL  when the learning rate is logged: epoch (as it starts) or step (with each record of the training loss)"
            |> Row.sets (Value.word "interval of --lr-monitor" [ "epoch", false; "step", true ]) (fun it draft -> {
                draft with
                    LearningRateEachStep = it
            })
            |> Row.byDefault "epoch"
        ]

    let saving =
        let kept = Draft.start.Save

        [
            "--save-top-k N  keep the checkpoints of the N best epochs by the monitored metric; 0 none, -1 all"
            |> Row.sets (fun option -> Value.atLeast -1 $"{option} (-1 for all)") (fun it draft -> {
                draft with
                    Save.TopK = it
            })
            |> Row.byDefault kept.TopK
            |> Row.decides
            "--save-full-state  these hold all that --resume needs (default: the weights alone)"
            |> Row.flagFits (fun draft ->
                if draft.Save.TopK = 0 then
                    Error "--save-full-state is of the best checkpoints, which --save-top-k 0 leaves out"
                else
                    Ok { draft with Save.FullState = true })
            "--no-save-last  do not keep the run's last state, from which it could be resumed"
            |> Row.flag (fun draft -> { draft with Save.Last = false })
            "--save-every N  steps between two saves of that state, which is also saved after each epoch"
            |> Row.fits (Value.atLeast 1) (fun it draft ->
                if draft.Save.Last then
                    Ok { draft with Save.Every = it }
                else
                    Error "--save-every is of the last state, which --no-save-last leaves out")
            |> Row.byDefault kept.Every
        ]

    /// Runs cut short to try something out, in the sense of PyTorch Lightning's flags of the same names.
    let debugging = [
        "--fast-dev-run  one batch of each split through all that a run does; nothing is left behind"
        |> Row.flag (fun draft -> { draft with FastDevRun = true; Training.MaxSteps = 1L })
        |> Row.owned Owner.Start
        "--overfit-batches N  train and validate on the first N batches of each, the same in every epoch (turns shuffling off)"
        |> Row.fits (Value.atLeast 1) (fun it draft ->
            if draft.FastDevRun then
                Error "--fast-dev-run and --overfit-batches are two ways to debug: give one of them"
            else
                Ok { draft with OverfitBatches = it; Training.Shuffle = false })
    ]

    /// The images of such a run; all of the test images where it is of the first batches.
    let tried (draft: Draft) : DataRequest =
        let most count limit =
            let images = int (min (int64 count * int64 draft.Training.BatchSize) (int64 System.Int32.MaxValue))
            if limit < 0 then images else min images limit

        let data, count = draft.Data, max draft.OverfitBatches 1

        if draft.FastDevRun || draft.OverfitBatches > 0 then
            {
                data with
                    LimitTrain = most count data.LimitTrain
                    LimitVal = most count data.LimitVal
                    LimitTest = if draft.FastDevRun then most count data.LimitTest else data.LimitTest
            }
        else
            data

    let resuming =
        [
            "--resume [RUN]  go on with a run that was cut off: its folder, the latest below --out, or one of its checkpoints with full state (what came later is undone); all else is as it was started, but --data names where its data lies now"
            |> Row.sets Value.text (fun _ draft -> draft)
            "--accept-changed-data  with --resume: go on although pictures were added, removed or changed since the run was cut off"
            |> Row.flag (fun draft -> { draft with AcceptChangedData = true })
        ]
        |> List.map (Row.owned Owner.Start)
