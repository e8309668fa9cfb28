namespace Hybrid

open System.Text.Json
open System.Text.Json.Nodes

/// Reads back what `StoredRun` writes of a recipe.
[<RequireQualifiedAccess>]
module StoredRecipe =

    /// What ends the reading; never leaves this file.
    exception private Refused of string

    let private refuse (key: string) (node: JsonNode | null) expected =
        let given =
            match node with
            | null -> "missing"
            | node ->
                let raw = node.ToJsonString()
                if raw.Length > 60 then raw[..59] + "…" else raw

        raise (Refused $"{key} is {given}, expected {expected}")

    let private asNumber key least most (node: JsonNode | null) =
        match node with
        | :? JsonValue as value ->
            match value.TryGetValue<float>() with
            | true, number when number >= least && number <= most -> number
            | _ -> refuse key node $"a number from {least} to {most}"
        | _ -> refuse key node $"a number from {least} to {most}"

    let private asWhole key (least: int64) (most: int64) (node: JsonNode | null) =
        match node with
        | :? JsonValue as value ->
            match value.TryGetValue<int64>() with
            | true, number when number >= least && number <= most -> number
            | _ -> refuse key node $"a whole number from {least} to {most}"
        | _ -> refuse key node $"a whole number from {least} to {most}"

    let private asFlag key (node: JsonNode | null) =
        match node with
        | :? JsonValue as value ->
            match value.TryGetValue<bool>() with
            | true, flag -> flag
            | _ -> refuse key node "true or false"
        | _ -> refuse key node "true or false"

    let private asWord key (node: JsonNode | null) =
        match node with
        | :? JsonValue as value ->
            match value.TryGetValue<string>() with
            | true, word -> word
            | _ -> refuse key node "a word"
        | _ -> refuse key node "a word"

    let private asItems key (node: JsonNode | null) =
        match node with
        | :? JsonArray as items -> List.ofSeq items
        | _ -> refuse key node "a list"

    let private asFields key (node: JsonNode | null) =
        match node with
        | :? JsonObject as fields -> fields
        | _ -> refuse key node "an object"

    /// More than any run needs, and few enough to be multiplied with each other.
    let private most = int64 System.Int32.MaxValue

    let private toOptimizer (fields: JsonObject) name =
        let number key least most = asNumber key least most fields[key]
        let share key = number key 0.0 1.0
        let decay () = share "weight_decay"
        let epsilon () = number "eps" 0.0 System.Double.MaxValue

        let adam decoupled =
            match asItems "betas" fields["betas"] with
            | [ one; two ] ->
                Optimizer.Adam {
                    Beta1 = asNumber "betas" 0.0 1.0 one
                    Beta2 = asNumber "betas" 0.0 1.0 two
                    Epsilon = epsilon ()
                    WeightDecay = decay ()
                    Decoupled = decoupled
                }
            | _ -> refuse "betas" fields["betas"] "two numbers"

        match name with
        | "SGD" ->
            Optimizer.Sgd {
                Momentum = share "momentum"
                Dampening = share "dampening"
                Nesterov = asFlag "nesterov" fields["nesterov"]
                WeightDecay = decay ()
            }
        | "Adam" -> adam false
        | "AdamW" -> adam true
        | "RMSprop" ->
            Optimizer.RmsProp {
                Alpha = share "alpha"
                Epsilon = epsilon ()
                Momentum = share "momentum"
                WeightDecay = decay ()
            }
        | other -> raise (Refused(Suggest.unknown "optimizer_name" [ "SGD"; "Adam"; "AdamW"; "RMSprop" ] other))

    let private toSchedule (fields: JsonObject) =
        let number key least = asNumber key least System.Double.MaxValue fields[key]

        let main =
            match asWord "schedule" fields["name"] with
            | "constant" -> Schedule.Constant
            | "milestones" ->
                let epochs = asItems "milestones" fields["milestones"] |> List.map (asWhole "milestones" 0L most >> int)
                Schedule.Milestones(epochs, number "gamma" 0.0)
            | "cosine" -> Schedule.Cosine(number "eta_min" 0.0)
            | "one-cycle" ->
                Schedule.OneCycle {
                    PctStart = asNumber "pct_start" 0.0 1.0 fields["pct_start"]
                    DivFactor = number "div_factor" System.Double.Epsilon
                    FinalDivFactor = number "final_div_factor" System.Double.Epsilon
                }
            | other ->
                raise (Refused(Suggest.unknown "schedule" [ "constant"; "milestones"; "cosine"; "one-cycle" ] other))

        match fields["warmup_epochs"] with
        | null -> main
        | epochs ->
            let epochs = asWhole "warmup_epochs" 0L most epochs |> int
            Schedule.WarmUp(epochs, asNumber "warmup_start" 0.0 1.0 fields["warmup_start"], main)

    let private toAugmentation (node: JsonNode | null) =
        let fields = asFields "augment" node

        let range key =
            match asItems key fields[key] with
            | [ low; high ] ->
                let low, high = asNumber key 0.0 1e6 low, asNumber key 0.0 1e6 high

                if low > 0.0 && low <= high then
                    low, high
                else
                    refuse key fields[key] "a rising pair of numbers above 0"
            | _ -> refuse key fields[key] "two numbers"

        match asWord "augment" fields["name"] with
        | "horizontal_flip" -> Augmentation.HorizontalFlip(asNumber "p" 0.0 1.0 fields["p"])
        | "random_resized_crop" -> Augmentation.RandomResizedCrop(range "scale", range "ratio")
        | other -> raise (Refused(Suggest.unknown "augmentation" [ "horizontal_flip"; "random_resized_crop" ] other))

    let private toFrozen (node: JsonNode | null) =
        match node with
        | :? JsonValue as value when value.GetValueKind() = JsonValueKind.Number ->
            asWhole "freeze_body" 1L (most - 1L) node |> int
        | _ when asFlag "freeze_body" node -> BodyTraining.frozen.FrozenEpochs
        | _ -> BodyTraining.trained.FrozenEpochs

    /// The recipe that `StoredRun.ofRun` has written. It may come from a file of somebody else's: what cannot be is refused by name.
    let read (stored: JsonObject) : Result<Recipe, string> =
        let optional (key: string) (read: JsonNode -> 'a) = stored[key] |> Option.ofObj |> Option.map read
        let positive key = asNumber key System.Double.Epsilon System.Double.MaxValue

        try
            let optimizer = asFields "optimizer_hparams" stored["optimizer_hparams"]

            Ok {
                Epochs = asWhole "epochs" 1L most stored["epochs"] |> int
                MaxSteps = asWhole "max_steps" 0L System.Int64.MaxValue stored["max_steps"]
                BatchSize = asWhole "batch_size" 1L most stored["batch_size"] |> int
                Accumulate = asWhole "accumulate" 1L most stored["accumulate"] |> int
                Objective = Objective.CrossEntropy(asNumber "label_smoothing" 0.0 1.0 stored["label_smoothing"])
                Optimizer = toOptimizer optimizer (asWord "optimizer_name" stored["optimizer_name"])
                LearningRate = asNumber "lr" 0.0 System.Double.MaxValue optimizer["lr"]
                Schedule = toSchedule (asFields "schedule" stored["schedule"])
                Clipping =
                    optional "clip_norm" (positive "clip_norm" >> Clipping.Norm)
                    |> Option.orElseWith (fun () -> optional "clip_value" (positive "clip_value" >> Clipping.Value))
                Average = optional "ema_decay" (asNumber "ema_decay" 0.0 1.0)
                Body = {
                    FrozenEpochs = toFrozen stored["freeze_body"]
                    RateFactor = optional "body_lr_factor" (positive "body_lr_factor") |> Option.defaultValue 1.0
                }
                Augment = asItems "augment" stored["augment"] |> List.map toAugmentation
                Shuffle = asFlag "shuffle" stored["shuffle"]
                DropLast = asFlag "drop_last" stored["drop_last"]
                Seed = asWhole "seed" System.Int64.MinValue System.Int64.MaxValue stored["seed"]
                LogEvery = asWhole "log_every" 1L most stored["log_every"] |> int
            }
        with Refused problem ->
            Error $"its recipe: {problem}"
