namespace Hybrid

open TorchSharp

/// An activation as libtorch's operation.
type internal ActivationCall = {
    Apply: Tensor -> Tensor
    /// Over what it reads.
    ApplyOver: (Tensor -> Tensor) option
    /// Of TorchScript's function: its name, and what it takes besides the tensor.
    Script: string
    Arguments: string
}

[<RequireQualifiedAccess>]
module internal ActivationCall =

    type private F = torch.nn.functional

    /// What each activation calls.
    let find activation : ActivationCall =
        match activation with
        | Activation.Relu -> {
            Apply = _.relu()
            ApplyOver = Some _.relu_()
            Script = "relu"
            Arguments = ""
          }
        | Activation.LeakyRelu -> {
            Apply = fun x -> F.leaky_relu (x, Activations.leakySlope)
            ApplyOver = Some _.leaky_relu_(Activations.leakySlope)
            Script = "leaky_relu"
            Arguments = $", {ScriptText.number Activations.leakySlope}"
          }
        | Activation.Tanh -> {
            Apply = _.tanh()
            ApplyOver = Some _.tanh_()
            Script = "tanh"
            Arguments = ""
          }
        | Activation.Gelu -> {
            Apply = fun x -> F.gelu x
            ApplyOver = None
            Script = "gelu"
            Arguments = ""
          }
        | Activation.Silu -> { Apply = _.silu(); ApplyOver = None; Script = "silu"; Arguments = "" }
        | Activation.Sigmoid -> {
            Apply = _.sigmoid()
            ApplyOver = Some _.sigmoid_()
            Script = "sigmoid"
            Arguments = ""
          }
        | Activation.Hardswish -> {
            Apply = _.hardswish()
            ApplyOver = None
            Script = "hardswish"
            Arguments = ""
          }
        | Activation.Hardsigmoid -> {
            Apply = _.hardsigmoid()
            ApplyOver = None
            Script = "hardsigmoid"
            Arguments = ""
          }
        | Activation.Relu6 -> { Apply = _.relu6(); ApplyOver = None; Script = "relu6"; Arguments = "" }

    /// As a line of a script.
    let write (script: ScriptText) activation (x: Name) : Name =
        let call = find activation
        let over = if x.Owned && call.ApplyOver.IsSome then "_" else ""
        script.Let $"torch.{call.Script}{over}({x.Text}{call.Arguments})"
