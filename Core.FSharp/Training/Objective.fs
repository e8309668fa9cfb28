namespace Hybrid

open TorchSharp

/// What training makes small.
[<RequireQualifiedAccess>]
type Objective =
    /// Mean over the batch; `labelSmoothing` spreads that share of each label evenly over all classes.
    | CrossEntropy of labelSmoothing: float

[<RequireQualifiedAccess>]
module Objective =

    /// What validation and test are told in, whatever training makes small: losses of one name are one thing.
    let plain = Objective.CrossEntropy 0.0

    /// Scalar loss of logits `[N, classes]` against labels `[N]`, in float32 at least.
    let loss objective (logits: Tensor) (labels: Tensor) =
        match objective with
        | Objective.CrossEntropy smoothing ->
            if logits.dtype = torch.ScalarType.BFloat16 then
                use wide = logits.``to`` torch.ScalarType.Float32
                torch.nn.functional.cross_entropy (wide, labels, label_smoothing = smoothing)
            else
                torch.nn.functional.cross_entropy (logits, labels, label_smoothing = smoothing)
