namespace Hybrid

/// What a backward pass reads again of what a layer has seen.
[<RequireQualifiedAccess>]
type Kept =
    | Nothing
    | Input
    | Output

/// Where the output of a layer lies.
[<RequireQualifiedAccess>]
type Storage =
    /// In memory of its own.
    | New
    /// Over the input, where nobody else needs that.
    | Over
    /// The input itself under another shape.
    | View

/// What there is to know of an activation, whoever runs it.
type ActivationFacts = {
    /// PyTorch's name.
    Type: string
    /// As the tutorial's hyperparameter `act_fn_name` has it.
    Word: string
    /// PyTorch's `calculate_gain`. Where PyTorch knows no gain under that name, ReLU's.
    Gain: float
    Kept: Kept
    Storage: Storage
}

/// What there is to know of activations.
[<RequireQualifiedAccess>]
module Activations =

    /// PyTorch's default slope of a leaky ReLU below zero, which the published networks keep.
    let leakySlope = 0.01

    /// The one table of activations.
    let facts activation : ActivationFacts =
        match activation with
        | Activation.Relu -> {
            Type = "ReLU"
            Word = "relu"
            Gain = sqrt 2.0
            Kept = Kept.Output
            Storage = Storage.Over
          }
        | Activation.LeakyRelu -> {
            Type = "LeakyReLU"
            Word = "leakyrelu"
            Gain = sqrt (2.0 / (1.0 + leakySlope ** 2.0))
            Kept = Kept.Output
            Storage = Storage.Over
          }
        | Activation.Tanh -> {
            Type = "Tanh"
            Word = "tanh"
            Gain = 5.0 / 3.0
            Kept = Kept.Output
            Storage = Storage.Over
          }
        | Activation.Gelu -> {
            Type = "GELU"
            Word = "gelu"
            Gain = sqrt 2.0
            Kept = Kept.Input
            Storage = Storage.New
          }
        | Activation.Silu -> {
            Type = "SiLU"
            Word = "silu"
            Gain = sqrt 2.0
            Kept = Kept.Input
            Storage = Storage.New
          }
        | Activation.Sigmoid -> {
            Type = "Sigmoid"
            Word = "sigmoid"
            Gain = 1.0
            Kept = Kept.Output
            Storage = Storage.Over
          }
        | Activation.Hardswish -> {
            Type = "Hardswish"
            Word = "hardswish"
            Gain = sqrt 2.0
            Kept = Kept.Input
            Storage = Storage.New
          }
        | Activation.Hardsigmoid -> {
            Type = "Hardsigmoid"
            Word = "hardsigmoid"
            Gain = sqrt 2.0
            Kept = Kept.Input
            Storage = Storage.New
          }
        | Activation.Relu6 -> {
            Type = "ReLU6"
            Word = "relu6"
            Gain = sqrt 2.0
            Kept = Kept.Input
            Storage = Storage.New
          }

    /// All of them, in the order in which they are proposed.
    let all = [
        Activation.Tanh
        Activation.Relu
        Activation.LeakyRelu
        Activation.Gelu
        Activation.Silu
        Activation.Sigmoid
        Activation.Hardswish
        Activation.Hardsigmoid
        Activation.Relu6
    ]

    /// The tutorial's name.
    let name activation = (facts activation).Word

    /// All of them under the tutorial's names.
    let named = all |> List.map (fun activation -> name activation, activation)
