namespace Hybrid

/// The part of a network that a run changes: its parameters from place `Start` of the flat tensors on, `Length`
/// numbers. The others are frozen.
type TrainableParameters = {
    Start: int64
    Length: int64
} with

    /// This part of a flat tensor such as the gradient, as a view.
    member trainable.Of(flat: Tensor) : Tensor = flat.narrow (0L, trainable.Start, trainable.Length)

[<RequireQualifiedAccess>]
module TrainableParameters =

    /// Every parameter: nothing is frozen.
    let all (weights: Weights) : TrainableParameters = { Start = 0L; Length = weights.Flat.numel () }

    /// The last layer alone. Throws where that is no linear one.
    let head (weights: Weights) : TrainableParameters =
        match Plan.head weights.Plan with
        | [] -> invalidArg (nameof weights) "the network does not end with a linear layer, so it has no head to train"
        | first :: _ as head -> {
            Start =
                weights.Parameters
                |> Seq.map fst
                |> Seq.takeWhile (fun spec -> spec.Key <> first.Key)
                |> Seq.sumBy _.Elements
            Length = head |> List.sumBy _.Elements
          }

    /// The parts of the first before and behind the second, which lies in it; none where they are the same.
    let without (part: TrainableParameters) (whole: TrainableParameters) : TrainableParameters list =
        let partEnd, wholeEnd = part.Start + part.Length, whole.Start + whole.Length

        [ whole.Start, part.Start; partEnd, wholeEnd ]
        |> List.filter (fun (start, stop) -> stop > start)
        |> List.map (fun (start, stop) -> { Start = start; Length = stop - start })

    /// The parameters of which some are trained, by their keys.
    let keys (trainable: TrainableParameters) (weights: Weights) : Set<string> =
        let specs = weights.Parameters |> Array.map fst
        let starts = specs |> Array.scan (fun start spec -> start + spec.Elements) 0L

        Array.zip specs (Array.take specs.Length starts)
        |> Array.filter (fun (_, start) -> start >= trainable.Start && start < trainable.Start + trainable.Length)
        |> Array.map (fun (spec, _) -> spec.Key)
        |> set

    /// Gradients are asked for where they are used, and there alone: a frozen body then has no backward pass.
    let ask (trainable: TrainableParameters) (weights: Weights) =
        let keys = keys trainable weights

        for spec, parameter in weights.Parameters do
            parameter.requires_grad <- keys.Contains spec.Key
