namespace Hybrid.Command

open Argu
open Hybrid

/// What `train` is asked to change in a recipe.
module internal RecipeOptions =

    let private optimizer (args: ParseResults<TrainArgument>) =
        check {
            let! choice =
                args.TryGetResult TrainArgument.Optimizer |> optional (Value.oneOf "optimizer" Recipe.optimizers)

            let! momentum =
                args.TryGetResult TrainArgument.Momentum |> optional (Value.within 0.0 0.9999 "--momentum")

            let! dampening =
                args.TryGetResult TrainArgument.Dampening |> optional (Value.within 0.0 1.0 "--dampening")

            let! betas = args.TryGetResult TrainArgument.Betas |> optional (Value.betas "--betas")
            let! alpha = args.TryGetResult TrainArgument.Alpha |> optional (Value.within 0.0 0.999999 "--alpha")
            let! epsilon = args.TryGetResult TrainArgument.Eps |> optional (Value.positive "--eps")

            let! decay =
                args.TryGetResult TrainArgument.Weight_Decay |> optional (Value.within 0.0 1.0 "--weight-decay")

            return {
                OptimizerChanges.Choice = choice
                Momentum = momentum
                Dampening = dampening
                Nesterov = args.Contains TrainArgument.Nesterov
                Betas = betas
                Alpha = alpha
                Epsilon = epsilon
                WeightDecay = decay
            }
        }

    let private schedule (args: ParseResults<TrainArgument>) =
        check {
            let! choice =
                args.TryGetResult TrainArgument.Schedule |> optional (Value.oneOf "schedule" ScheduleChanges.named)

            let! milestones = args.TryGetResult TrainArgument.Milestones |> optional (Value.epochs "--milestones")
            let! gamma = args.TryGetResult TrainArgument.Gamma |> optional (Value.positive "--gamma")
            let! minimum = args.TryGetResult TrainArgument.Min_Lr |> optional (Value.within 0.0 1e30 "--min-lr")
            let! share = args.TryGetResult TrainArgument.Pct_Start |> optional (Value.within 0.0 1.0 "--pct-start")
            let! first = args.TryGetResult TrainArgument.Div_Factor |> optional (Value.positive "--div-factor")

            let! last =
                args.TryGetResult TrainArgument.Final_Div_Factor |> optional (Value.positive "--final-div-factor")

            let! warmUp =
                args.TryGetResult TrainArgument.Warmup_Epochs |> optional (Value.atLeast 1 "--warmup-epochs")

            let! start =
                args.TryGetResult TrainArgument.Warmup_Start |> optional (Value.within 0.0 1.0 "--warmup-start")

            return {
                Choice = choice
                Milestones = milestones
                Gamma = gamma
                Minimum = minimum
                PctStart = share
                DivFactor = first
                FinalDivFactor = last
                WarmUpEpochs = warmUp
                WarmUpStart = start
            }
        }

    let private clipping (args: ParseResults<TrainArgument>) =
        check {
            let! norm = args.TryGetResult TrainArgument.Clip_Norm |> optional (Value.positive "--clip-norm")
            let! value = args.TryGetResult TrainArgument.Clip_Value |> optional (Value.positive "--clip-value")

            return!
                match norm, value with
                | Some _, Some _ -> Error "--clip-norm and --clip-value: expected one of them"
                | norm, value -> Option.map Clipping.Norm norm |> Option.orElse (Option.map Clipping.Value value) |> Ok
        }

    let changes (args: ParseResults<TrainArgument>) =
        check {
            let! epochs = args.TryGetResult TrainArgument.Epochs |> optional (Value.atLeast 1 "--epochs")

            let! maxSteps =
                args.TryGetResult TrainArgument.Max_Steps |> optional (Value.atLeastLong 1L "--max-steps")

            let! batchSize = args.TryGetResult TrainArgument.Batch_Size |> optional Value.batchSize
            let! accumulate = args.TryGetResult TrainArgument.Accumulate |> optional (Value.atLeast 1 "--accumulate")
            let! optimizer = optimizer args
            let! rate = args.TryGetResult TrainArgument.Lr |> optional (Value.positive "--lr")
            let! schedule = schedule args
            let! clipping = clipping args
            let! average = args.TryGetResult TrainArgument.Ema |> optional (Value.within 0.0 0.999999 "--ema")
            let! seed = args.TryGetResult TrainArgument.Seed |> optional (Value.seed "--seed")
            let! logEvery = args.TryGetResult TrainArgument.Log_Every |> optional (Value.atLeast 1 "--log-every")

            let! augment =
                args.TryGetResult TrainArgument.Augment |> optional (Value.oneOf "augmentation" Augment.named)

            let! smoothing =
                args.TryGetResult TrainArgument.Label_Smoothing
                |> optional (Value.within 0.0 0.9999 "--label-smoothing")

            return {
                Epochs = epochs
                MaxSteps = maxSteps
                BatchSize = Option.flatten batchSize
                Accumulate = accumulate
                Optimizer = optimizer
                LearningRate = rate
                Schedule = schedule
                Clipping = clipping
                Average = average
                FreezeBody = args.Contains TrainArgument.Freeze_Body
                LabelSmoothing = smoothing
                Augment = augment
                KeepOrder = args.Contains TrainArgument.No_Shuffle
                KeepLast = args.Contains TrainArgument.No_Drop_Last
                Seed = seed
                LogEvery = logEvery
            }
        }
