namespace Hybrid

open TorchSharp

/// What random numbers are drawn for. Each use has its own numbers, so that one more draw in one place moves none of
/// the others.
[<RequireQualifiedAccess>]
type Purpose =
    | Shuffle
    | Augment
    /// Layers that are random in training.
    | Noise

/// Generators named by what they are for. The numbers of a step follow from the run's seed and the step's place in
/// the run alone: a run that is taken up again in the middle draws what it would have drawn.
[<RequireQualifiedAccess>]
module Randomness =

    /// Seed of the generator for one purpose, one epoch and one batch of a run.
    let derive (seed: int64) purpose (epoch: int) (batch: int) =
        let purpose =
            match purpose with
            | Purpose.Shuffle -> 1UL
            | Purpose.Augment -> 2UL
            | Purpose.Noise -> 3UL

        [ purpose; uint64 epoch; uint64 batch ]
        |> List.fold
            (fun state word -> SplitMix64.Mix(state + SplitMix64.Golden * (word + 1UL)))
            (SplitMix64.Mix(uint64 seed + SplitMix64.Golden))
        // libtorch's generator looks at 32 bits of its seed.
        |> fun hash -> int64 (hash >>> 32)

    /// A generator on the CPU, whatever the device of the run, so that every device sees the same numbers.
    let generator seed purpose epoch batch =
        let generator = new torch.Generator(uint64 (derive seed purpose epoch batch), torch.CPU)
        generator
