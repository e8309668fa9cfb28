// A layer of your own, without a change of the library: what layers and joins make together is a layer to whoever uses it.
#load "prelude.fsx"

open Hybrid
open Hybrid.Combinators
open Prelude
open TorchSharp

/// x · sigmoid(x): the two branches of a product. It is what `silu` is. Ramachandran et al., "Searching for activation
/// functions", 2017.
let swish = product [ identity; sigmoid ]

/// One convolution for each channel and one over all of them. Chollet, "Xception", 2017.
let separable kernel channelsIn channels =
    convWith (Conv2d.depthwise kernel channelsIn |> Conv2d.noBias) >>> conv1x1 channels

/// Channels that are weighed by what the whole picture shows: a product with one number a channel. Hu et al.,
/// "Squeeze-and-excitation networks", 2018.
let weighed channels = product [ identity; globalAvgPool >>> conv1x1 channels >>> sigmoid ]

let image = Shape.Image(8, 16, 16)

let evaluated net =
    let network = networkOf 42 (planOf image net)
    network.eval ()
    network

do
    use x = torch.randn ([| 2L; 8L; 16L; 16L |], generator = new torch.Generator(1UL, torch.CPU))
    use own = (evaluated swish).forward x
    use builtIn = (evaluated silu).forward x
    use difference = (own - builtIn).abs().max()
    expect "the numbers of the library's own" (difference.item<float32>() < 1e-6f)

let parameters net = (Summary.ofPlan (planOf image net)).Params

printfn
    $"a 3×3 convolution from 8 to 64 channels: {parameters (conv 64)} parameters, separable: {parameters (separable 3 8 64)}"

expect "an eighth or so" (parameters (separable 3 8 64) * 6L < parameters (conv 64))

// They are as good as layers everywhere: shapes are checked, training and files know them.
let net = separable 3 8 16 >>> swish >>> weighed 16 >>> globalAvgPool >>> flatten >>> linear 3
printfn $"\n{Summary.ofPlan (planOf image net)}"
expect "a classifier" ((planOf image net).Out = Shape.Features 3)
// A layer that is no composition of others is a case of the library's own: docs/house.md says which three files.
