namespace Hybrid

open TorchSharp

/// libtorch's own backward passes, for which TorchSharp has no methods.
[<RequireQualifiedAccess>]
module internal Backward =

    let private script =
        """
def conv(
        dy: Tensor, x: Tensor, w: Tensor, biases: int, down: int, across: int, above: int, beside: int,
        apart: int, aside: int, groups: int, wanted: bool) -> List[Tensor]:
    bias: Optional[List[int]] = None
    if biases > 0:
        bias = [biases]
    dx, dw, db = torch.convolution_backward(
        dy, x, w, bias, [down, across], [above, beside], [apart, aside], False, [0, 0], groups, [wanted, True, biases > 0])
    found = [dw]
    if biases > 0:
        found.append(db)
    if wanted:
        found.append(dx)
    return found

def relu(dy: Tensor, y: Tensor) -> Tensor:
    return torch.threshold_backward(dy, y, 0)

def leaky_relu(dy: Tensor, y: Tensor) -> Tensor:
    return torch.leaky_relu_backward(dy, y, SLOPE, True)

def tanh(dy: Tensor, y: Tensor) -> Tensor:
    return torch.tanh_backward(dy, y)

def gelu(dy: Tensor, x: Tensor) -> Tensor:
    return torch.gelu_backward(dy, x, approximate="none")

def avg_pool(dy: Tensor, x: Tensor, kernel: int, stride: int, padding: int, ceiling: bool) -> Tensor:
    return torch.avg_pool2d_backward(
        dy, x, [kernel, kernel], [stride, stride], [padding, padding], ceiling, True, None)
"""

    // Numbers are handed over as `int`: TorchSharp makes an object on the native heap of every other kind, and leaves it to
    // the garbage collector.
    let private unit = lazy torch.jit.compile (script.Replace("SLOPE", string Activations.leakySlope))

    let private run (name: string) (arguments: obj array) : Tensor = unit.Value.invoke<Tensor>(name, arguments)

    /// Of a convolution that read `x`: the gradients of its weight, of its bias where it has one, and of `x` where that is
    /// `wanted`.
    let convolution
        (conv: Conv2d)
        wanted
        (dy: Tensor)
        (x: Tensor)
        (weight: Tensor)
        : struct (Tensor * Tensor voption * Tensor voption) =
        let biases = if conv.Bias then conv.Channels else 0

        let stride, padding, dilation = conv.Stride, snd (Padding.divide conv), conv.Dilation

        let found =
            unit.Value.invoke (
                "conv",
                dy,
                x,
                weight,
                biases,
                stride.Height,
                stride.Width,
                padding.Height,
                padding.Width,
                dilation.Height,
                dilation.Width,
                conv.Groups,
                wanted
            )
            :?> Tensor array

        match found with
        | [| weight; bias; x |] -> weight, ValueSome bias, ValueSome x
        | [| weight; bias |] when conv.Bias -> weight, ValueSome bias, ValueNone
        | [| weight; x |] -> weight, ValueNone, ValueSome x
        | found -> found[0], ValueNone, ValueNone

    let private functionOf kind =
        match kind with
        | Activation.Relu -> Some "relu"
        | Activation.LeakyRelu -> Some "leaky_relu"
        | Activation.Tanh -> Some "tanh"
        | Activation.Gelu -> Some "gelu"
        | _ -> None

    /// Whether an activation's backward pass is one of these.
    let knows kind = (functionOf kind).IsSome

    /// Of an activation, by what it gave; of GELU, by what it read.
    let activation kind (dy: Tensor) (seen: Tensor) =
        match functionOf kind with
        | Some name -> run name [| dy; seen |]
        | None -> invalidArg (nameof kind) $"{kind} has no backward function here"

    /// Of an average pooling that read a map of the size of `x`.
    let averagePool (pool: Pool2d) (dy: Tensor) (x: Tensor) =
        run "avg_pool" [| dy; x; pool.Kernel; pool.Stride; pool.Padding; pool.Ceiling |]
