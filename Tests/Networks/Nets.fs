/// Random networks that work, with the shapes that they were built to have.
module Hybrid.Tests.Networks.Nets

open Expecto
open FsCheck
open FsCheck.FSharp
open Hybrid
open Hybrid.Combinators

/// A property over values that a generator and a shrinker make, so many times.
let propertyOf count name (values: Arbitrary<'a>) (property: 'a -> unit) =
    testPropertyWithConfig { FsCheckConfig.defaultConfig with maxTest = count } name (Prop.forAll values property)

/// A plan that has to be there.
let planOf input net =
    match Plan.elaborate input net with
    | Ok plan -> plan
    | Error errors ->
        let lines = errors |> List.map string |> String.concat "\n"
        failtest $"{input} does not pass through %A{net}:\n{lines}"

let coin = Gen.elements [ true; false ]

let activations = Activations.named |> List.map snd

/// A network for one input, and the shape that must come out.
type Sample = { Input: Shape; Net: Net; Output: Shape }

/// Output side of a window that is known to fit, counted by sliding it.
let private slid kernel stride padding side =
    Seq.initInfinite (fun i -> i * stride)
    |> Seq.takeWhile (fun start -> start + kernel <= side + 2 * padding)
    |> Seq.length

/// A random layer that draws nothing: what it gives can be worked out a second time.
let private still layer =
    match layer with
    | Layer.Dropout _ -> Layer.Dropout 0.0
    | Layer.StochasticDepth _ -> Layer.StochasticDepth 0.0
    | layer -> layer

/// Layers of every sort that the union has, with small numbers.
let private smallLayers =
    lazy
        (ArbMap.defaults
         |> ArbMap.mergeArb (Arb.fromGen (Gen.choose (0, 4)))
         |> ArbMap.mergeArb (Arb.fromGen (Gen.elements [ 1e-5; 0.1; 0.5 ]))
         |> ArbMap.generate<Layer>
         |> Gen.sampleWithSeed (Rnd 7UL) 50 20_000
         |> Array.map still
         |> Array.distinct)

/// Those that keep height and width of maps of so many channels, by sort, each with the channels that it gives.
let private keepingLayers =
    let found channels =
        let outs layer =
            let on height width = (Layers.facts layer).On(Shape.Image(channels, height, width)) |> Result.map _.Out

            match on 1 1, on 4 9 with
            | Ok(Shape.Image(outs, 1, 1)), Ok(Shape.Image(_, 4, 9)) -> Some(layer, outs)
            | _ -> None

        smallLayers.Value |> Array.choose outs |> Array.groupBy (fst >> Layers.name)

    let known =
        System.Collections.Concurrent.ConcurrentDictionary<int, (string * (Layer * int) array) array>()

    fun channels -> known.GetOrAdd(channels, found)

/// A layer of any sort that the union has, as long as it keeps height and width of maps of any size.
let private anyKeeping channels =
    Gen.elements (keepingLayers channels)
    |> Gen.bind (snd >> Gen.elements)
    |> Gen.map (fun (layer, outs) -> Net.Layer layer, outs)

/// A layer that keeps height and width, and its channels.
let keeping channels =
    Gen.frequency [
        4, anyKeeping channels
        3,
        gen {
            let! outs = Gen.choose (1, 16)
            let! kernel = Gen.elements [ 1; 3; 3; 5 ]
            let! bias = coin
            return convWith { Conv2d.square kernel outs with Bias = bias }, outs
        }
        1,
        gen {
            let! outs = Gen.choose (1, 16)
            let! height = Gen.elements [ 1; 3; 5 ]
            let! width = Gen.elements [ 1; 3; 7 ]
            let! bias = coin
            return convWith { Conv2d.rectangle height width outs with Bias = bias }, outs
        }
        3, Gen.constant (batchNorm, channels)
        4, Gen.elements activations |> Gen.map (fun kind -> activation kind, channels)
        1, Gen.constant (maxPoolWith (Pool2d.square 3 1 1), channels)
        1, Gen.constant (avgPoolWith (Pool2d.square 3 1 1), channels)
    ]

/// Halves the map (rounded up), by a convolution or a pool.
let private halving channels =
    Gen.oneof [
        gen {
            let! outs = Gen.choose (1, 16)
            let! kernel = Gen.elements [ 1; 3; 5 ]
            let! bias = coin
            return convWith { Conv2d.square kernel outs with Stride = Sides.square 2; Bias = bias }, outs
        }
        Gen.constant (maxPoolWith (Pool2d.square 3 2 1), channels)
        Gen.constant (avgPoolWith (Pool2d.square 3 2 1), channels)
    ]

/// A layer of any size that fits.
let private shrinking (channels, height, width) =
    gen {
        let! ceiling = coin
        let! dilation = Gen.choose (1, 2)

        let! groups =
            Gen.elements [
                for groups in 1..channels do
                    if channels % groups = 0 then
                        groups
            ]

        let! each = Gen.choose (1, 4)
        let! kernel = Gen.choose (1, min 5 (min height width))
        let! stride = Gen.choose (1, 3)
        let! padding = Gen.choose (0, kernel / 2)
        let! across = Gen.choose (1, min 5 width)
        let! step = Gen.choose (1, 3)
        let! margin = Gen.choose (0, 2)
        let! outs = Gen.choose (1, 16)
        let! bias = coin
        let side = slid kernel stride padding
        let pool = { Pool2d.square kernel stride padding with Ceiling = ceiling }

        let pooled length =
            if ceiling then
                // Windows that begin inside the side, or in front of it.
                Seq.initInfinite (fun i -> i * stride)
                |> Seq.takeWhile (fun start ->
                    start < length + padding && start < length + 2 * padding - kernel + stride)
                |> Seq.length
            else
                side length

        let spread = dilation * (kernel - 1) + 1
        let fits = spread <= height + 2 * padding

        return!
            Gen.elements [
                convWith {
                    Channels = groups * each
                    Kernel = { Height = kernel; Width = across }
                    Stride = { Height = stride; Width = step }
                    Padding = Padding.Even { Height = padding; Width = margin }
                    Dilation = { Height = (if fits then dilation else 1); Width = 1 }
                    Groups = groups
                    Bias = bias
                },
                (groups * each,
                 slid (if fits then spread else kernel) stride padding height,
                 slid across step margin width)
                maxPoolWith pool, (channels, pooled height, pooled width)
                avgPoolWith pool, (channels, pooled height, pooled width)
            ]
    }

/// How the parts of a network are put one after the other. Names are placeholders, told apart later.
let private strung (nets: Net list) =
    Gen.elements [
        name "n" (ordered [ "2"; "0" ] (sequential nets))
        chain nets
        name "n" (sequential nets)
        sequential nets |> name "n" |> name "n"
        nets |> List.map (name "n") |> chain
        name "n" (chain nets)
    ]

/// Keeps height and width.
let rec private keepingPart depth channels =
    if depth = 0 then
        keeping channels
    else
        Gen.frequency [
            3, keeping channels
            2, stringOf (depth - 1) channels
            2, forkOf (depth - 1) channels
            1, residualOf (depth - 1) channels
        ]

and private stringOf depth channels =
    let rec grow count channels nets =
        gen {
            if count = 0 then
                return List.rev nets, channels
            else
                let! net, outs = keepingPart depth channels
                return! grow (count - 1) outs (net :: nets)
        }

    gen {
        let! length = Gen.choose (0, 4)
        let! nets, outs = grow length channels []
        let! net = strung nets
        return net, outs
    }

/// Some parts side by side, joined either way.
and private joinOf (branch: Gen<Net * int>) =
    gen {
        let! count = Gen.choose (1, 3)
        let! branches = Gen.listOfLength count branch
        let! summed = Gen.choose (1, 16)

        return!
            Gen.elements [
                concat (List.map fst branches), List.sumBy snd branches
                sum (branches |> List.map (fun (net, _) -> net >>> conv1x1 summed)), summed
                product (branches |> List.map (fun (net, _) -> net >>> conv1x1 summed)), summed
            ]
    }

and private forkOf depth channels = joinOf (stringOf depth channels)

and private residualOf depth channels =
    gen {
        let! body, _ = stringOf depth channels

        let! join =
            Gen.elements [
                residual
                (fun body -> sum [ identity; body ])
                (fun body -> sum [ body; body; relu ])
                (fun body -> product [ identity; body >>> globalAvgPool >>> sigmoid ])
            ]

        return join (body >>> conv1x1 channels), channels
    }

/// Halves the map, each branch in its own way.
let private halvingFork channels =
    joinOf (
        gen {
            let! head, middle = halving channels
            let! tail, outs = stringOf 1 middle
            return head >>> tail, outs
        }
    )

/// Gives every name that is not a number a number of its own, so that no two layers share a key.
let private apart net =
    let mutable count = 0

    let rec walk net =
        match net with
        | Net.Named("n", inner) ->
            count <- count + 1
            let segment = $"n{count}"
            Net.Named(segment, walk inner)
        | Net.Named(segment, inner) -> Net.Named(segment, walk inner)
        | Net.Ordered(segments, inner) -> Net.Ordered(segments, walk inner)
        | Net.Chain nets -> Net.Chain(List.map walk nets)
        | Net.Fork(join, nets) -> Net.Fork(join, List.map walk nets)
        | Net.Layer _ -> net

    walk net

let private sample =
    gen {
        let! channels = Gen.choose (1, 16)
        let! height = Gen.choose (4, 12)
        let! width = Gen.choose (4, 12)

        let rec parts count (channels, height, width) nets =
            gen {
                if count = 0 then
                    return List.rev nets, (channels, height, width)
                else
                    let! kind = Gen.choose (0, 3)

                    match kind with
                    | 0 ->
                        let! net, shape = shrinking (channels, height, width)
                        return! parts (count - 1) shape (net :: nets)
                    | 1 ->
                        let! net, outs = halvingFork channels
                        return! parts (count - 1) (outs, slid 1 2 0 height, slid 1 2 0 width) (net :: nets)
                    | _ ->
                        let! net, outs = keepingPart 2 channels
                        return! parts (count - 1) (outs, height, width) (net :: nets)
            }

        let! count = Gen.choose (0, 4)
        let! nets, (outs, h, w) = parts count (channels, height, width) []

        let! classes = Gen.choose (1, 10)

        let! head, output =
            Gen.elements [
                [], Shape.Image(outs, h, w)
                [ globalAvgPool ], Shape.Image(outs, 1, 1)
                [ flatten ], Shape.Features(outs * h * w)
                [ globalAvgPool; flatten; linear classes ], Shape.Features classes
                [ flatten; linear 7; relu; linear classes ], Shape.Features classes
                [ flatten; concat [ linear 3; linear classes ] ], Shape.Features(3 + classes)
                [ flatten; relu; linear classes; activation Activation.Tanh ], Shape.Features classes
                [ sum [ flatten >>> leakyRelu; flatten ]; relu ], Shape.Features(outs * h * w)
            ]

        let! net = strung (nets @ head)

        return {
            Input = Shape.Image(channels, height, width)
            Net = apart net
            Output = output
        }
    }

/// Networks with a part left out, or replaced by one of its parts.
let rec shrink net =
    let inOne (nets: Net list) (rebuild: Net list -> Net) =
        seq {
            yield! nets
            for index in 0 .. nets.Length - 1 -> rebuild (List.removeAt index nets)

            for index in 0 .. nets.Length - 1 do
                for smaller in shrink nets[index] -> rebuild (List.updateAt index smaller nets)
        }

    match net with
    | Net.Layer _ -> Seq.empty
    | Net.Named(segment, inner) ->
        seq {
            yield inner
            for smaller in shrink inner -> Net.Named(segment, smaller)
        }
    | Net.Ordered(segments, inner) ->
        seq {
            yield inner
            for smaller in shrink inner -> Net.Ordered(segments, smaller)
        }
    | Net.Chain nets -> inOne nets Net.Chain
    | Net.Fork(join, nets) -> inOne nets (fun nets -> Net.Fork(join, nets))

/// Networks that work, with what they are to make of their inputs.
let samples = Arb.fromGen sample

/// Networks that work, which shrink to others that do; the outcome is the plan's own word.
let working =
    Arb.fromGenShrink (
        sample,
        fun it ->
            shrink it.Net
            |> Seq.choose (fun net ->
                match Plan.elaborate it.Input net with
                | Ok plan -> Some { it with Net = net; Output = plan.Out }
                | Error _ -> None)
    )
