module Hybrid.Tests.Networks.PlanTests

open Expecto
open Hybrid
open Hybrid.Combinators
open Hybrid.Tests.Networks.Nets

let private image = Shape.Image(3, 32, 32)

/// What is wrong with a network, as a person reads it.
let private errors input net =
    match Plan.elaborate input net with
    | Ok plan -> failtest $"no error, but {plan.Out}"
    | Error errors -> errors |> List.map string

let private says name net expected = testCase name <| fun () -> Expect.equal (errors image net) expected "errors"

let private paths net = planOf image net |> Plan.layers |> List.map (fun (plan, _) -> plan.Path)

let private keys net = planOf image net |> Plan.stateTensors |> List.map _.Key

let private pathsOf name net expected = testCase name <| fun () -> Expect.equal (paths net) expected "paths"

let private noBias channels = convWith (Conv2d.square 3 channels |> Conv2d.noBias)

let private mistakes =
    testList "mistakes" [
        says
            "a window that does not fit"
            (maxPool 2 >>> name "wide" (convWith (Conv2d.square 21 8 |> Conv2d.padding 1)))
            [ "wide (Conv2d): got maps of 3×16×16, expected at least 19×19 for a 21×21 window with padding 1" ]

        says "a linear layer on maps" (conv 8 >>> name "head" (linear 10)) [
            "head (Linear): got maps of 8×32×32, expected a vector: put flatten before it"
        ]

        says "a map layer on a vector" (flatten >>> name "norm" batchNorm) [
            "norm (BatchNorm2d): got a vector of 3072, expected maps (channels × height × width)"
        ]

        says "branches of different size" (name "mixed" (concat [ conv 4; conv 4 >>> maxPool 2; identity ])) [
            "mixed (Concat): got branches of 4×32×32, 4×16×16, 3×32×32, "
            + "expected maps of one height and width, or vectors"
        ]

        says "branches that cannot be added" (residual (conv 4)) [
            "Sum: got branches of 4×32×32, 3×32×32, expected all of one shape"
        ]

        says "a map beside a vector" (concat [ flatten; conv 4 ]) [
            "Concat: got branches of 3072, 4×32×32, expected maps of one height and width, or vectors"
        ]

        says "no branch" (name "empty" (concat [])) [ "empty (Concat): got no branch, expected at least one" ]

        says
            "several settings of one layer"
            (convWith {
                Channels = 0
                Kernel = Sides.square 3
                Stride = Sides.square 0
                Padding = Padding.Even(Sides.square -1)
                Dilation = Sides.square 1
                Groups = 1
                Bias = true
            })
            [
                "Conv2d: got channels 0, expected at least 1"
                "Conv2d: got stride 0, expected at least 1"
                "Conv2d: got padding -1, expected at least 0"
            ]

        says "a pool with too much padding" (maxPoolWith (Pool2d.square 2 2 2)) [
            "MaxPool2d: got padding 2, expected at most 1 for a 2×2 window"
        ]

        says "the same name twice" (name "conv" (noBias 4) >>> name "conv" (noBias 4)) [
            "conv (Conv2d): got the key conv.weight a second time, expected one owner: name the layers apart"
        ]

        says "a name with a dot, an empty name" (name "a.b" (conv 4) >>> name "" relu) [
            "Named: got the name \"a.b\", expected a name without dots"
            "Named: got the name \"\", expected a name without dots"
        ]

        says "too many numbers" (flatten >>> linear 1_000_000) [
            "1 (Linear): got 3072000000 numbers in one tensor, expected fewer than 2^31"
        ]

        says
            "three mistakes in three places"
            (name
                "both"
                (concat [ name "left" (avgPool 64); name "right" (sequential [ conv 8; linear 3; batchNorm ]) ])
             >>> flatten
             >>> name "head" (linear 0))
            [
                "both.left (AvgPool2d): got maps of 3×32×32, expected at least 64×64 for a 64×64 window with padding 0"
                "both.right.1 (Linear): got maps of 8×32×32, expected a vector: put flatten before it"
                "head (Linear): got features 0, expected at least 1"
            ]

        testCase "an input that holds nothing"
        <| fun () ->
            Expect.equal
                (errors (Shape.Image(3, 0, -2)) relu)
                [ "Input: got height 0, expected at least 1"; "Input: got width -2, expected at least 1" ]
                "errors"
    ]

let private pathRules =
    testList "paths" [
        pathsOf "several unnamed members of a chain are told apart by their places" (conv 4 >>> batchNorm >>> relu) [
            "0"
            "1"
            "2"
        ]

        pathsOf "a sole unnamed member adds no segment" (name "act_fn" relu) [ "act_fn" ]

        pathsOf "nor does it beside named ones" (name "stem" (conv 4) >>> relu >>> name "head" flatten) [
            "stem"
            ""
            "head"
        ]

        pathsOf "a place counts named members too" (conv 4 >>> name "norm" batchNorm >>> relu) [ "0"; "norm"; "2" ]

        pathsOf "branches follow the same rule" (concat [ conv 4; name "side" (conv 4); conv 4 >>> relu ]) [
            "0"
            "side"
            "2.0"
            "2.1"
        ]

        pathsOf "a residual branch is the only one that holds anything" (name "block" (residual (conv 4 >>> conv 3))) [
            "block.0"
            "block.1"
        ]

        pathsOf "a chain in a chain is no level" (name "a" ((conv 4 >>> relu) >>> (conv 4 >>> relu))) [
            "a.0"
            "a.1"
            "a.2"
            "a.3"
        ]

        pathsOf "names in names" (name "a" (name "b" (sequential [ relu; name "c" relu ]))) [ "a.b.0"; "a.b.1.c" ]

        testCase "keys are PyTorch's, in its order"
        <| fun () ->
            let net = name "net" (sequential [ conv 4; batchNorm; noBias 4 ]) >>> name "head" (flatten >>> linear 2)

            Expect.equal
                (keys net)
                [
                    "net.0.weight"
                    "net.0.bias"
                    "net.1.weight"
                    "net.1.bias"
                    "net.1.running_mean"
                    "net.1.running_var"
                    "net.1.num_batches_tracked"
                    "net.2.weight"
                    "head.1.weight"
                    "head.1.bias"
                ]
                "keys"
    ]

let private costs =
    testList "costs" [
        testCase "parameters and multiply-adds by hand"
        <| fun () ->
            let plan =
                planOf
                    image
                    (convWith (Conv2d.square 3 16 |> Conv2d.stride 2)
                     >>> batchNorm
                     >>> globalAvgPool
                     >>> flatten
                     >>> linear 10)

            Expect.equal (Plan.parameterCount plan) (int64 (16 * 3 * 9 + 16 + 2 * 16 + 16 * 10 + 10)) "parameters"
            Expect.equal (Plan.macs plan) (int64 (16 * 16 * 16 * 3 * 9 + 16 * 10)) "multiply-adds"
    ]

let tests = testList "plan" [ mistakes; pathRules; costs ]
