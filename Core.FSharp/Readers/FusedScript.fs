namespace Hybrid

open System
open System.Globalization
open System.Runtime.InteropServices
open TorchSharp

/// A tensor of the script by name. `Owned`: nothing else reads it, so that it may be written over.
type internal Name = { Text: string; Owned: bool }

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

/// The text of a method in TorchScript, line by line, and the tensors that it refers to as `w[i]`.
[<Sealed>]
type internal FusedScript(dialect: Dialect, placement: Placement) =

    let lines = ResizeArray<string>()
    let constants = ResizeArray<Tensor>()

    let assign expression =
        let name = $"v{lines.Count}"
        lines.Add $"    {name} = {expression}"
        { Text = name; Owned = true }

    let pair side = $"[{side}, {side}]"

    /// Name of an activation among oneDNN's, and its parameters.
    let builtIn activation =
        match activation with
        | None -> "\"none\"", ""
        | Some Activation.Relu -> "\"relu\"", ""
        | Some Activation.LeakyRelu -> "\"leaky_relu\"", "0.01"
        | Some Activation.Tanh -> "\"tanh\"", ""
        | Some Activation.Gelu -> "\"gelu\"", ""

    let numbers list = $"annotate(List[Optional[number]], [{list}])"

    member _.Dialect = dialect

    member _.Placement = placement

    member _.Constants = constants.ToArray()

    /// Keeps a copy of `tensor` in the precision given and in the placement's layout.
    member _.Constant(tensor: Tensor, dtype: torch.ScalarType) =
        let placed = tensor.``to`` (dtype, placement.Device) |> Layout.apply placement.Layout
        constants.Add(placed.detach().clone().DetachFromDisposeScope())
        $"w[{constants.Count - 1}]"

    member script.Constant(tensor: Tensor) = script.Constant(tensor, placement.DType)

    /// A new tensor from an expression.
    member _.Let(expression: string) = assign expression

    /// Something done to a tensor in place.
    member _.Do(expression: string) = assign expression |> ignore

    member _.Activate (activation: Activation option) (x: Name) =
        let inPlace = if x.Owned then "_" else ""

        match activation with
        | None -> x
        | Some Activation.Relu -> assign $"torch.relu{inPlace}({x.Text})"
        | Some Activation.LeakyRelu -> assign $"torch.leaky_relu{inPlace}({x.Text}, 0.01)"
        | Some Activation.Tanh -> assign $"torch.tanh{inPlace}({x.Text})"
        | Some Activation.Gelu -> assign $"torch.gelu({x.Text})"

    /// A convolution and what is done to its output.
    member script.Convolve(conv: Conv2d, kernel: Kernel, activation: Activation option, x: Name, ?groups: int) =
        let weight, bias = script.Constant kernel.Weight, script.Constant kernel.Bias
        let stride, padding = pair conv.Stride, pair conv.Padding
        let groups = defaultArg groups 1

        match dialect with
        | Dialect.OneDnn ->
            let name, parameters = builtIn activation
            let algorithm = if activation = Some Activation.Gelu then "\"none\"" else "\"\""

            assign
                $"ops.mkldnn._convolution_pointwise({x.Text}, {weight}, {bias}, {padding}, {stride}, [1, 1], {groups}, {name}, {numbers parameters}, {algorithm})"
        | Dialect.Plain ->
            assign $"torch.conv2d({x.Text}, {weight}, {bias}, {stride}, {padding}, [1, 1], {groups})"
            |> script.Activate activation

    /// A convolution, added to `other`.
    member script.ConvolveInto(conv: Conv2d, kernel: Kernel, activation: Activation option, x: Name, other: Name) =
        match dialect with
        | Dialect.OneDnn when other.Owned && other.Text <> x.Text ->
            let weight, bias = script.Constant kernel.Weight, script.Constant kernel.Bias
            // The only activation that is built into a sum.
            let relu = activation = Some Activation.Relu
            let unary = if relu then "\"relu\"" else "None"

            assign
                $"ops.mkldnn._convolution_pointwise_({other.Text}, {x.Text}, {weight}, {bias}, {pair conv.Padding}, {pair conv.Stride}, [1, 1], 1, \"add\", 1.0, {unary}, {numbers String.Empty}, \"\")"
            |> if relu then id else script.Activate activation
        | _ ->
            let y = script.Convolve(conv, kernel, None, x)
            assign $"torch.add_({y.Text}, {other.Text})" |> script.Activate activation

    /// The method `forward`, which ends in `result`.
    member _.Text(result: Name) =
        let body = String.Join('\n', lines)

        $"  def forward(self: __torch__.Unit, x: Tensor, w: List[Tensor]) -> Tensor:\n{body}\n    return {result.Text}\n"
            .Replace("\n\n", "\n")
