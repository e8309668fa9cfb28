namespace Hybrid.Command

open Argu

/// Which checkpoints a run keeps.
module internal SaveOptions =

    /// The best epoch's weights, and the last state every 100 steps.
    let usual = { TopK = 1; FullState = false; Last = true; Every = 100 }

    let save (args: ParseResults<TrainArgument>) =
        check {
            let! topK =
                args.TryGetResult TrainArgument.Save_Top_K
                |> optional (Value.atLeast -1 "--save-top-k (-1 for all)")

            let! every = args.TryGetResult TrainArgument.Save_Every |> optional (Value.atLeast 1 "--save-every")
            let noLast = args.Contains TrainArgument.No_Save_Last
            let full = args.Contains TrainArgument.Save_Full_State

            if noLast && every.IsSome then
                return! Error "--save-every is of the last state, which --no-save-last leaves out"
            elif full && topK = Some 0 then
                return! Error "--save-full-state is of the best checkpoints, which --save-top-k 0 leaves out"
            else
                return {
                    TopK = Option.defaultValue usual.TopK topK
                    FullState = full
                    Last = not noLast
                    Every = Option.defaultValue usual.Every every
                }
        }
