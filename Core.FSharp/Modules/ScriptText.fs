namespace Hybrid

open System
open System.Globalization
open TorchSharp

/// A tensor of the script by name. `Owned`: nothing else reads it, so that it may be written over.
type internal Name = { Text: string; Owned: bool }

/// The text of a method in TorchScript, line by line, and the tensors that it refers to as `w[i]`. Numbers are computed
/// where and as `placement` says.
type internal ScriptText(placement: Placement) =

    let lines = ResizeArray<string>()
    let constants = ResizeArray<Tensor>()

    let assign expression =
        let name = $"v{lines.Count}"
        lines.Add $"    {name} = {expression}"
        { Text = name; Owned = true }

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

    /// The method `forward`, which ends in `result`.
    member _.Text(result: Name) =
        let body = String.Join('\n', lines)

        $"  def forward(self: __torch__.Unit, x: Tensor, w: List[Tensor]) -> Tensor:\n{body}\n    return {result.Text}\n"
            .Replace("\n\n", "\n")

[<RequireQualifiedAccess>]
module internal ScriptText =

    /// A number as the script has it, whatever the user's language writes for a decimal point and a minus.
    let number (value: float) = value.ToString("R", CultureInfo.InvariantCulture)

    let sides (sides: Sides) = $"[{sides.Height}, {sides.Width}]"

    let square (side: int) = sides (Sides.square side)

    let window (pool: Pool2d) = $"{square pool.Kernel}, {square pool.Stride}, {square pool.Padding}"

    /// What a convolution's call takes behind its tensors, on a map that has what is uneven of its padding.
    let convolution (conv: Conv2d) =
        $"{sides conv.Stride}, {sides (snd (Padding.divide conv))}, {sides conv.Dilation}, {conv.Groups}"

    /// A map with what is uneven of a convolution's padding.
    let padded (script: ScriptText) (conv: Conv2d) (x: Name) : Name =
        match fst (Padding.divide conv) with
        | None -> x
        | Some it -> script.Let $"torch.constant_pad_nd({x.Text}, [{it.Left}, {it.Right}, {it.Top}, {it.Bottom}], 0)"
