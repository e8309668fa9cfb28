namespace Hybrid

open System
open System.Text.Json.Nodes

/// What a checkpoint and a run's folder say of the network and of how it was trained, in the words of the tutorial's
/// own checkpoints: `model_name`, `model_hparams`, `optimizer_name`, `optimizer_hparams`.
[<RequireQualifiedAccess>]
module StoredRun =

    let private number (value: float) = JsonValue.Create value :> JsonNode

    let private whole (value: int64) = JsonValue.Create value :> JsonNode

    let private text (value: string) = JsonValue.Create value :> JsonNode

    let private flag (value: bool) = JsonValue.Create value :> JsonNode

    let private wholes (values: int seq) = JsonArray [| for value in values -> whole (int64 value) |] :> JsonNode

    let private record (fields: (string * JsonNode) seq) =
        let result = JsonObject()

        for key, value in fields do
            result.Add(key, value)

        result

    let private hparam value =
        match value with
        | Hparam.Int n -> whole (int64 n)
        | Hparam.Ints numbers -> wholes numbers
        | Hparam.Number x -> number x
        | Hparam.Text word -> text word

    let private model (model: Model) = [
        "model_name", text model.Name
        "model_hparams", record [ for key, value in model.Hparams -> key, hparam value ] :> JsonNode
    ]

    let private optimizer (recipe: Recipe) =
        let fields =
            match recipe.Optimizer with
            | Optimizer.Sgd p -> [
                "momentum", number p.Momentum
                "dampening", number p.Dampening
                "nesterov", flag p.Nesterov
                "weight_decay", number p.WeightDecay
              ]
            | Optimizer.Adam p -> [
                "betas", JsonArray(number p.Beta1, number p.Beta2) :> JsonNode
                "eps", number p.Epsilon
                "weight_decay", number p.WeightDecay
              ]
            | Optimizer.RmsProp p -> [
                "alpha", number p.Alpha
                "eps", number p.Epsilon
                "momentum", number p.Momentum
                "weight_decay", number p.WeightDecay
              ]

        record (("lr", number recipe.LearningRate) :: fields)

    let rec private schedule it =
        match it with
        | Schedule.Constant -> record [ "name", text "constant" ]
        | Schedule.Milestones(epochs, gamma) ->
            record [ "name", text "milestones"; "milestones", wholes epochs; "gamma", number gamma ]
        | Schedule.Cosine minimum -> record [ "name", text "cosine"; "eta_min", number minimum ]
        | Schedule.OneCycle p ->
            record [
                "name", text "one-cycle"
                "pct_start", number p.PctStart
                "div_factor", number p.DivFactor
                "final_div_factor", number p.FinalDivFactor
            ]
        | Schedule.WarmUp(epochs, share, main) ->
            let result = schedule main
            result.Add("warmup_epochs", whole (int64 epochs))
            result.Add("warmup_start", number share)
            result

    let private clipping (recipe: Recipe) =
        match recipe.Clipping with
        | Some(Clipping.Norm most) -> [ "clip_norm", number most ]
        | Some(Clipping.Value most) -> [ "clip_value", number most ]
        | None -> []

    let private average (recipe: Recipe) = [
        match recipe.Average with
        | Some decay -> "ema_decay", number decay
        | None -> ()
    ]

    let private augmentation change =
        let range (low: float, high: float) = JsonArray(number low, number high) :> JsonNode

        match change with
        | Augmentation.HorizontalFlip p -> record [ "name", text "horizontal_flip"; "p", number p ]
        | Augmentation.RandomResizedCrop(area, ratio) ->
            record [ "name", text "random_resized_crop"; "scale", range area; "ratio", range ratio ]

    let private smoothing (recipe: Recipe) =
        match recipe.Objective with
        | Objective.CrossEntropy share -> share

    /// Whether for no epoch or all, as earlier versions have it, or for how many.
    let private frozen epochs =
        match epochs with
        | 0 -> flag false
        | Int32.MaxValue -> flag true
        | several -> whole (int64 several)

    /// What rebuilds a network.
    let ofModel (it: Model) : JsonObject = record (model it)

    /// What rebuilds a network and repeats its training.
    let ofRun (it: Model) (recipe: Recipe) : JsonObject =
        record [
            yield! model it
            "optimizer_name", text (Optimizer.name recipe.Optimizer)
            "optimizer_hparams", optimizer recipe :> JsonNode
            "schedule", schedule recipe.Schedule :> JsonNode
            "augment", JsonArray [| for change in recipe.Augment -> augmentation change :> JsonNode |] :> JsonNode
            "label_smoothing", number (smoothing recipe)
            "epochs", whole (int64 recipe.Epochs)
            "max_steps", whole recipe.MaxSteps
            "batch_size", whole (int64 recipe.BatchSize)
            "freeze_body", frozen recipe.Body.FrozenEpochs
            if recipe.Body.RateFactor <> 1.0 then
                "body_lr_factor", number recipe.Body.RateFactor
            "accumulate", whole (int64 recipe.Accumulate)
            yield! clipping recipe
            yield! average recipe
            "shuffle", flag recipe.Shuffle
            "drop_last", flag recipe.DropLast
            "seed", whole recipe.Seed
            "log_every", whole (int64 recipe.LogEvery)
        ]
