namespace Hybrid

/// The part of a network that a run changes: its parameters from place `Start` of the flat tensors on, `Length`
/// numbers. The others are frozen.
type Trained = {
    Start: int64
    Length: int64
} with

    /// This part of a flat tensor such as the gradient, as a view.
    member trained.Of(flat: Tensor) : Tensor = flat.narrow (0L, trained.Start, trained.Length)

[<RequireQualifiedAccess>]
module Trained =

    let all (weights: Weights) : Trained = { Start = 0L; Length = weights.Flat.numel () }

    /// The last layer alone. Throws where that is no linear one.
    let head (weights: Weights) : Trained =
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

    /// The parameters of which some are trained, by their keys.
    let keys (trained: Trained) (weights: Weights) : Set<string> =
        let specs = weights.Parameters |> Array.map fst
        let starts = specs |> Array.scan (fun start spec -> start + spec.Elements) 0L

        Array.zip specs (Array.take specs.Length starts)
        |> Array.filter (fun (_, start) -> start >= trained.Start && start < trained.Start + trained.Length)
        |> Array.map (fun (spec, _) -> spec.Key)
        |> set

    /// Gradients are asked for where they are used, and there alone: a frozen body then has no backward pass.
    let ask (trained: Trained) (weights: Weights) =
        let keys = keys trained weights

        for spec, parameter in weights.Parameters do
            parameter.requires_grad <- keys.Contains spec.Key
