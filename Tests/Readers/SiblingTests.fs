module Hybrid.Tests.Readers.SiblingTests

open Expecto
open TorchSharp
open Hybrid
open Hybrid.Combinators
open Hybrid.Tests.Networks.Nets
open Hybrid.Tests.Readers.Reference
open Hybrid.Tests.Readers.Built

let private front channels act = conv1x1 channels >>> batchNorm >>> activation act

let private bare channels = convWith (Conv2d.square 1 channels |> Conv2d.noBias) >>> batchNorm >>> relu

let private counts: InceptionChannels = {
    Reduce3x3 = 5
    Reduce5x5 = 3
    Conv1x1 = 17
    Conv3x3 = 6
    Conv5x5 = 4
    Pool = 2
}

/// Forks in which some branches begin alike.
let private forks = [
    "an Inception block", Blocks.inception Activation.Relu counts
    "another activation", Blocks.inception Activation.LeakyRelu counts
    "two of a kind among others", concat [ bare 3; conv 4; front 5 Activation.Relu; bare 6 >>> conv 2; identity ]
    "nothing behind some", concat [ front 4 Activation.Tanh >>> conv 3; front 2 Activation.Tanh ]
    "inside one another", concat [ bare 3; bare 4 >>> concat [ bare 2; bare 3 >>> batchNorm ] ]
]

let private input = Shape.Image(7, 6, 5)

let private statistics (network: TorchModule) =
    network.Weights.Specs
    |> Array.filter (fun spec -> spec.Role = Role.RunningMean || spec.Role = Role.RunningVar)
    |> Array.map (fun spec -> spec.Key, network.Weights[spec.Key])

let tests =
    testList "siblings" [
        for name, net in forks do
            testCase $"{name}: values, gradients and statistics are those of branches on their own"
            <| fun () ->
                use _ = torch.NewDisposeScope()
                use generator = generator 3
                let plan = planOf input net
                // The contiguous layout leaves every branch to itself.
                use together = build Layout.ChannelsLast 5 plan
                use apart = build Layout.Contiguous 5 plan
                let x = batchFor generator 3 input
                let direction = batchFor generator 3 plan.Out

                for training in [ true; false ] do
                    let out, grads = passes byOperations apart training x direction
                    apart.train training
                    apart.forward x |> ignore
                    together.train training
                    together.Weights.Grad.zero_ () |> ignore
                    let x = x.clone().requires_grad_ true
                    let out' = together.forward x
                    (out' * direction).sum().backward()
                    close 1e-12 "output" out' out

                    let own =
                        ("the input", x.grad)
                        :: [ for spec, leaf in together.Weights.Parameters -> spec.Key, leaf.grad ]

                    for (what, grad), (_, grad') in List.zip own grads do
                        close 1e-11 $"gradient of {what}" grad grad'

                    for (key, a), (_, b) in Array.zip (statistics together) (statistics apart) do
                        close 1e-13 key a b

        test "a bias in front of a norm is left where it is" {
            use _ = torch.NewDisposeScope()
            use generator = generator 3
            let net = conv 4 >>> batchNorm >>> relu >>> Blocks.inception Activation.Relu counts >>> conv 2
            use network = build Layout.ChannelsLast 5 (planOf input net)
            network.train true
            let out = network.forward (batchFor generator 3 input)
            (out * batchFor generator 3 network.Plan.Out).sum().backward()

            let biases =
                network.Weights.Parameters
                |> Array.filter (fun (spec, _) -> spec.Role = Role.Bias && spec.Dims <> [] && spec.Key.EndsWith ".bias")

            let moved = biases |> Array.filter (fun (_, leaf) -> leaf.grad.abs().sum().item<float>() > 0.0)
            // The norms' own shifts and the last convolution's bias.
            Expect.equal moved.Length (1 + 6 + 1) "biases that have a gradient"
        }
    ]
