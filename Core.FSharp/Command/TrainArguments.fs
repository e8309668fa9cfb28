namespace Hybrid.Command

open Argu

[<RequireQualifiedAccess>]
type TrainArgument =
    | [<Unique>] Data of string
    | [<Unique>] Val_Size of number: string
    | [<Unique>] Split_Seed of number: string
    | [<Unique>] Limit_Train of number: string
    | [<Unique>] Limit_Val of number: string
    | [<Unique>] Limit_Test of number: string
    | [<Unique>] Fast_Dev_Run
    | [<Unique>] Overfit_Batches of number: string
    | [<Unique>] Image_Size of string
    | [<Unique>] Refuse_Broken
    | [<Unique>] Model of string
    | Hparam of string
    | [<Unique>] Init of string
    | [<Unique>] Weights of string
    | [<Unique>] Freeze_Body
    | [<Unique>] Resume of string option
    | [<Unique>] Accept_Changed_Data
    | [<Unique>] Save_Every of number: string
    | [<Unique>] Save_Top_K of number: string
    | [<Unique>] Save_Full_State
    | [<Unique>] No_Save_Last
    | [<Unique>] Epochs of number: string
    | [<Unique>] Max_Steps of number: string
    | [<Unique>] Batch_Size of string
    | [<Unique>] Accumulate of number: string
    | [<Unique>] Optimizer of string
    | [<Unique>] Lr of number: string
    | [<Unique>] Find_Lr
    | [<Unique>] Momentum of number: string
    | [<Unique>] Dampening of number: string
    | [<Unique>] Nesterov
    | [<Unique>] Betas of string
    | [<Unique>] Alpha of number: string
    | [<Unique>] Eps of number: string
    | [<Unique>] Weight_Decay of number: string
    | [<Unique>] Schedule of string
    | [<Unique>] Milestones of string
    | [<Unique>] Gamma of number: string
    | [<Unique>] Min_Lr of number: string
    | [<Unique>] Pct_Start of number: string
    | [<Unique>] Div_Factor of number: string
    | [<Unique>] Final_Div_Factor of number: string
    | [<Unique>] Warmup_Epochs of number: string
    | [<Unique>] Warmup_Start of number: string
    | [<Unique>] Clip_Norm of number: string
    | [<Unique>] Clip_Value of number: string
    | [<Unique>] Ema of number: string
    | [<Unique>] Label_Smoothing of number: string
    | [<Unique>] Augment of string
    | [<Unique>] No_Shuffle
    | [<Unique>] No_Drop_Last
    | [<Unique>] Monitor of string
    | [<Unique>] Mode of string
    | [<Unique>] Patience of number: string
    | [<Unique>] Min_Delta of number: string
    | [<Unique>] Log_Every of number: string
    | [<Unique>] Lr_Monitor of string
    | [<Unique>] Out of string
    | [<Unique>] Seed of number: string
    | [<Unique>] Device of string
    | [<Unique>] Precision of string
    | [<Unique>] Threads of number: string
    | [<Unique>] Trim_Memory
    | [<Unique>] Libtorch of string
    | [<Unique>] Tf32
    | [<Unique>] Json

    interface IArgParserTemplate with
        member argument.Usage =
            match argument with
            | Data _ -> Usage.data
            | Val_Size _ -> Usage.valSize
            | Split_Seed _ -> Usage.splitSeed
            | Limit_Train _ -> Usage.limit "train"
            | Limit_Val _ -> Usage.limit "val"
            | Limit_Test _ -> Usage.limit "test"
            | Fast_Dev_Run -> "one batch of each split through all that a run does; nothing is left behind"
            | Overfit_Batches _ ->
                "train and validate on the first N batches of each, the same in every epoch (turns shuffling off)"
            | Image_Size _ -> Usage.imageSize
            | Refuse_Broken -> Usage.refuseBroken
            | Model _ -> Usage.model
            | Hparam _ -> Usage.hparam
            | Resume _ ->
                "go on with a run that was cut off: its folder, the latest below --out, or one of its checkpoints with full state (what came later is undone); all else is as it was started, but --data names where its data lies now"
            | Accept_Changed_Data ->
                "with --resume: go on although pictures were added, removed or changed since the run was cut off"
            | Save_Every _ -> "steps between two saves of the run's last state (default: 100; also after each epoch)"
            | Save_Top_K _ ->
                "keep the checkpoints of the N best epochs by the monitored metric (default: 1; 0 none, -1 all)"
            | Save_Full_State -> "these hold all that --resume needs (default: the weights alone)"
            | No_Save_Last -> "do not keep the run's last state, from which it could be resumed"
            | Init _ ->
                "start from the weights of this checkpoint; its last layer starts anew where it has another number of classes"
            | Weights _ -> "of --init: " + Usage.weights
            | Freeze_Body -> "train the last layer alone, the rest stays as --init brought it (default: all is trained)"
            | Epochs _ -> "times through the training images (default: CIFAR 180, folder 30, shapes 8)"
            | Max_Steps _ -> "end after this many steps, wherever in an epoch that is"
            | Batch_Size _ -> Usage.batchSize + "; auto for the largest power of two that fits into memory"
            | Accumulate _ -> "batches whose mean gradient makes one step (default: 1)"
            | Optimizer _ -> "sgd, adamw, adam, rmsprop (default: the model's published one)"
            | Lr _ -> "learning rate (default: the optimiser's: sgd 0.1, others 0.001)"
            | Find_Lr ->
                "look for the learning rate first: 100 steps from 1e-8 to 1; train at the rate where the loss fell fastest"
            | Momentum _ -> "of sgd (default: 0.9) and rmsprop (default: 0)"
            | Dampening _ -> "share of the gradient kept out of the momentum of sgd (default: 0)"
            | Nesterov -> "look ahead along the momentum (sgd)"
            | Betas _ -> "how much of its two means adam and adamw keep in a step (default: 0.9,0.999)"
            | Alpha _ -> "how much of its mean square rmsprop keeps in a step (default: 0.99)"
            | Eps _ -> "added to what adam, adamw and rmsprop divide by (default: 1e-08)"
            | Weight_Decay _ -> "pull of the weights towards zero (default: 0.0001)"
            | Schedule _ ->
                "constant, milestones (default), cosine (falls after each epoch), one-cycle (rises to --lr and falls, after each step; momentum stays)"
            | Milestones _ ->
                "epochs after which the rate falls (default: CIFAR 100,150; else after 60% and 85% of the epochs)"
            | Gamma _ -> "factor at each milestone (default: 0.1)"
            | Min_Lr _ -> "rate that cosine falls to (default: 0)"
            | Pct_Start _ -> "share of the steps in which one-cycle rises (default: 0.3)"
            | Div_Factor _ -> "one-cycle begins at the rate over this (default: 25)"
            | Final_Div_Factor _ -> "one-cycle ends at its first rate over this (default: 10000)"
            | Warmup_Epochs _ ->
                "first epochs in which the rate climbs to where the schedule begins, step by step; the schedule has the rest (default: none)"
            | Warmup_Start _ -> "share of that rate that the warm-up begins with (default: a third)"
            | Clip_Norm _ ->
                "scale a step's gradient down to this norm where its own is larger (default: it is taken as it is)"
            | Clip_Value _ ->
                "bring each number of the gradient between minus this and this (default: they are taken as they are)"
            | Ema _ ->
                "validate, keep and test the moving average of the weights that keeps this much of itself in a step, such as 0.999 (default: the weights themselves)"
            | Label_Smoothing _ -> "share of each label spread over all classes (default: 0)"
            | Augment _ -> "tutorial (default: random flips and crops) or none"
            | No_Shuffle -> "read the training images in their order"
            | No_Drop_Last -> "train on the last batch of an epoch even if it is smaller"
            | Monitor _ -> "what the best checkpoint is best in: val_acc (default), val_loss, train_acc, train_loss"
            | Mode _ -> "max or min (default: what suits the monitored metric)"
            | Patience _ -> "end after this many epochs without a better monitored metric"
            | Min_Delta _ -> "by how much it must be better for --patience (default: 0)"
            | Log_Every _ -> "steps between two records of the training loss (default: 50)"
            | Lr_Monitor _ ->
                "when the learning rate is logged: epoch (default: as it starts) or step (with each record of the training loss)"
            | Out _ -> "folder that the run's folder version_N is made in (default: runs/MODEL)"
            | Seed _ -> Usage.seed
            | Device _ -> Usage.device
            | Precision _ -> Usage.precision
            | Threads _ -> Usage.threads
            | Trim_Memory -> Usage.trimMemory
            | Libtorch _ -> Usage.libtorch
            | Tf32 -> Usage.tf32
            | Json -> Usage.json

[<RequireQualifiedAccess>]
type CompareArgument =
    | [<Unique>] Models of string
    | [<Unique>] Checkpoints of string
    | [<Unique>] Data of string
    | [<Unique>] Val_Size of number: string
    | [<Unique>] Split_Seed of number: string
    | [<Unique>] Limit_Train of number: string
    | [<Unique>] Limit_Val of number: string
    | [<Unique>] Limit_Test of number: string
    | [<Unique>] Image_Size of string
    | [<Unique>] Refuse_Broken
    | [<Unique>] Epochs of number: string
    | [<Unique>] Batch_Size of number: string
    | [<Unique>] Out of string
    | [<Unique>] Seed of number: string
    | [<Unique>] Device of string
    | [<Unique>] Precision of string
    | [<Unique>] Threads of number: string
    | [<Unique>] Trim_Memory
    | [<Unique>] Libtorch of string
    | [<Unique>] Tf32
    | [<Unique>] Json

    interface IArgParserTemplate with
        member argument.Usage =
            match argument with
            | Models _ -> "networks separated by commas (default: GoogleNet,ResNet,ResNetPreAct,DenseNet)"
            | Checkpoints _ -> "folder with MODEL.ckpt, .pt or .safetensors: a model found there is not trained"
            | Data _ -> Usage.data
            | Val_Size _ -> Usage.valSize
            | Split_Seed _ -> Usage.splitSeed
            | Limit_Train _ -> Usage.limit "train"
            | Limit_Val _ -> Usage.limit "val"
            | Limit_Test _ -> Usage.limit "test"
            | Image_Size _ -> Usage.imageSize
            | Refuse_Broken -> Usage.refuseBroken
            | Epochs _ -> "times through the training images (default: CIFAR 180, folder 30, shapes 8)"
            | Batch_Size _ -> Usage.batchSize
            | Out _ -> "folder that the runs' folders are made in (default: runs)"
            | Seed _ -> Usage.seed
            | Device _ -> Usage.device
            | Precision _ -> Usage.precision
            | Threads _ -> Usage.threads
            | Trim_Memory -> Usage.trimMemory
            | Libtorch _ -> Usage.libtorch
            | Tf32 -> Usage.tf32
            | Json -> Usage.json
