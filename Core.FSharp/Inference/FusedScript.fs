namespace Hybrid

open System
open System.Globalization
open System.Runtime.InteropServices
open TorchSharp

/// Which operations a fused network may call.
[<RequireQualifiedAccess>]
type internal Dialect =
    /// What every libtorch has.
    | Plain
    /// oneDNN's convolutions with an activation or a sum built in.
    | OneDnn

module internal Dialect =

    /// A script that names an operation that libtorch lacks ends the process, so this says yes only where every
    /// build of libtorch has oneDNN's.
    let find (placement: Placement) =
        let known =
            RuntimeInformation.ProcessArchitecture = Architecture.X64
            && (OperatingSystem.IsLinux() || OperatingSystem.IsWindows())

        if known && placement.Device.``type`` = DeviceType.CPU then
            Dialect.OneDnn
        else
            Dialect.Plain

/// A script in which activations and sums are built into the convolutions, where the dialect has them so.
[<Sealed>]
type internal FusedScript(dialect: Dialect, placement: Placement) =
    inherit ScriptText(placement)

    /// Name of an activation among oneDNN's, its parameters, and its algorithm.
    let builtIn activation =
        match activation with
        | None -> Some("\"none\"", "", "\"\"")
        | Some Activation.Relu -> Some("\"relu\"", "", "\"\"")
        | Some Activation.LeakyRelu -> Some("\"leaky_relu\"", ScriptText.number Activations.leakySlope, "\"\"")
        | Some Activation.Tanh -> Some("\"tanh\"", "", "\"\"")
        | Some Activation.Gelu -> Some("\"gelu\"", "", "\"none\"")
        | Some Activation.Silu -> Some("\"swish\"", "", "\"\"")
        | Some Activation.Sigmoid -> Some("\"sigmoid\"", "", "\"\"")
        | Some Activation.Hardswish -> Some("\"hardswish\"", "", "\"\"")
        | Some Activation.Relu6 -> Some("\"hardtanh\"", "0.0, 6.0", "\"\"")
        | Some Activation.Hardsigmoid -> None

    /// Padding first, unlike libtorch's own.
    let settings (conv: Conv2d) =
        let sides =
            [ snd (Padding.divide conv); conv.Stride; conv.Dilation ]
            |> List.map ScriptText.sides
            |> String.concat ", "

        $"{sides}, {conv.Groups}"

    let numbers list = $"annotate(List[Optional[number]], [{list}])"

    member _.Dialect = dialect

    member script.Activate (activation: Activation option) (x: Name) =
        match activation with
        | None -> x
        | Some activation -> ActivationCall.write script activation x

    /// A convolution and what is done to its output.
    member script.Convolve(conv: Conv2d, kernel: Kernel, activation: Activation option, x: Name) =
        let weight, bias = script.Constant kernel.Weight, script.Constant kernel.Bias
        let x = ScriptText.padded script conv x

        match dialect, builtIn activation with
        | Dialect.OneDnn, Some(name, parameters, algorithm) ->
            script.Let
                $"ops.mkldnn._convolution_pointwise({x.Text}, {weight}, {bias}, {settings conv}, {name}, {numbers parameters}, {algorithm})"
        | _ ->
            script.Let $"torch.conv2d({x.Text}, {weight}, {bias}, {ScriptText.convolution conv})"
            |> script.Activate activation

    /// A convolution, added to `other`.
    member script.ConvolveInto(conv: Conv2d, kernel: Kernel, activation: Activation option, x: Name, other: Name) =
        match dialect with
        | Dialect.OneDnn when other.Owned && other.Text <> x.Text ->
            let weight, bias = script.Constant kernel.Weight, script.Constant kernel.Bias
            let x = ScriptText.padded script conv x
            // The only activation that is built into a sum.
            let relu = activation = Some Activation.Relu
            let unary = if relu then "\"relu\"" else "None"

            script.Let
                $"ops.mkldnn._convolution_pointwise_({other.Text}, {x.Text}, {weight}, {bias}, {settings conv}, \"add\", 1.0, {unary}, {numbers String.Empty}, \"\")"
            |> if relu then id else script.Activate activation
        | _ ->
            let y = script.Convolve(conv, kernel, None, x)
            script.Let $"torch.add_({y.Text}, {other.Text})" |> script.Activate activation
