/// Families of networks against torchvision 0.25 and timm 1.0 on PyTorch 2.10, which made the numbers: the same weights for
/// seed 42, the logits of a fixed image, the losses of four training steps.
module Hybrid.Tests.Modules.FamilyTests

open System
open System.Collections.Generic
open System.IO
open System.Runtime.InteropServices
open System.Security.Cryptography
open System.Text
open System.Text.Json.Nodes
open Expecto
open TorchSharp
open Hybrid
open Hybrid.Host.Checkpoints
open Hybrid.Tests
open Hybrid.Tests.Networks.Nets
open Hybrid.Tests.Modules.Reference

let private golden name = JsonNode.Parse(File.ReadAllText(Shared.path [ "golden"; "families"; $"{name}.json" ]))

let private first (node: JsonNode) = node.AsArray()[0]

let private find name overrides = Catalogue.find name overrides |> Result.defaultWith failtest

let private float32 = Placement.cpu

let private float64 = {
    Placement.cpu with
        DType = torch.ScalarType.Float64
        Layout = Layout.Contiguous
}

/// A network as its constructor leaves it under seed 42.
let private fresh placement (model: Model) input =
    use generator = new torch.Generator(42UL, torch.CPU)
    TorchModule.create placement model.Initialisation generator (planOf input model.Net)

let private square side = Shape.Image(3, side, side)

/// The fixed images, `[N, 3, S, S]`.
let private images (placement: Placement) count side =
    use _ = torch.NewDisposeScope()
    let value i = System.Convert.ToSingle((7919L * int64 i % 1000L |> float) / 500.0 - 1.0)
    let numbers = Array.init (count * 3 * side * side) value

    torch.tensor(numbers).reshape(int64 count, 3L, int64 side, int64 side).``to``(placement.DType)
    |> Layout.apply placement.Layout
    |> _.MoveToOuterDisposeScope()

let private digest (tensor: Tensor) =
    use _ = torch.NewDisposeScope()
    let plain = tensor.detach().contiguous()

    let bytes: byte array =
        if plain.dtype = torch.ScalarType.Int64 then
            MemoryMarshal.AsBytes(ReadOnlySpan(plain.data<int64>().ToArray())).ToArray()
        else
            MemoryMarshal.AsBytes(ReadOnlySpan(plain.data<float32>().ToArray())).ToArray()

    Convert.ToHexStringLower(SHA256.HashData bytes)[..15]

/// Largest difference in units of the largest number, however small that is.
let private relative (found: float array) (expected: float array) =
    Expect.equal found.Length expected.Length "as many numbers"
    let scale = expected |> Seq.map abs |> Seq.max
    Array.map2 (fun a e -> if a = e then 0.0 else abs (a - e) / scale) found expected |> Array.max

/// Nothing random is left.
let rec private still net =
    match net with
    | Net.Layer(Layer.Dropout _) -> Net.Layer(Layer.Dropout 0.0)
    | Net.Layer(Layer.StochasticDepth _) -> Net.Layer(Layer.StochasticDepth 0.0)
    | Net.Layer _ -> net
    | Net.Chain nets -> Net.Chain(List.map still nets)
    | Net.Fork(join, nets) -> Net.Fork(join, List.map still nets)
    | Net.Named(segment, inner) -> Net.Named(segment, still inner)
    | Net.Ordered(segments, inner) -> Net.Ordered(segments, still inner)

/// What is compared of a network.
type private Compared = {
    Name: string
    /// Of the losses in float64. Rounding errors grow from step to step, in deep networks without a zero in each block's last
    /// norm by several digits: those of another processor, or of one thread fewer, are then a millionth by the fourth loss.
    Steps: int
    /// How far the second loss in float32 may be off. None where libtorch's own is off by percents as soon as it runs on one
    /// thread fewer.
    Narrow: float option
    /// Its first weights are drawn through the inverse of the error function, whose last bit depends on the processor (the
    /// library that libtorch takes it from has code for several): about one number in a hundred is then the next one.
    ByProcessor: bool
    /// Whether every run of the tests takes the time, or a nightly one alone: one network a family is enough for the former.
    Always: bool
}

let private weights { Name = name; ByProcessor = byProcessor } =
    testCase $"{name}: seed 42 gives the published weights bit for bit, under the published names"
    <| fun () ->
        let golden = golden name
        let model = find name []
        let plan = planOf model.Input model.Net
        let specs = Plan.stateTensors plan

        let lines = [
            for spec in specs -> sprintf "%s [%s]" spec.Key (spec.Dims |> List.map string |> String.concat ", ")
        ]

        let published = [
            for tensor in golden["tensors"].AsArray() do
                let dims = [ for side in tensor["shape"].AsArray() -> string (side.GetValue<int>()) ]
                let name = tensor["name"].GetValue<string>()
                let dims = String.concat ", " dims
                $"{name} [{dims}]"
        ]

        Expect.equal lines published "names and shapes"
        let all = SHA256.HashData(Encoding.UTF8.GetBytes(String.concat "\n" lines))
        Expect.equal (Convert.ToHexStringLower all) (string golden["keys_and_shapes_sha256"]) "their digest"
        Expect.equal (Plan.parameterCount plan) (int64 (string golden["num_params"])) "parameters"

        use network = fresh float32 model model.Input

        for tensor in golden["tensors"].AsArray() do
            let name = tensor["name"].GetValue<string>()
            let found = network.Weights[name]

            if byProcessor && digest found <> string tensor["sha256_16"] then
                let expected = [| for number in tensor["first"].AsArray() -> number.GetValue<float>() |]
                let found = (numbers found)[.. expected.Length - 1]

                for found, expected in Array.zip found expected do
                    Expect.isLessThan (abs (found - expected)) (1.2e-7 * abs expected) name
            else
                Expect.equal (digest found) (string tensor["sha256_16"]) name

let private logits { Name = name; ByProcessor = byProcessor } =
    testCase $"{name}: the logits of a fixed image"
    <| fun () ->
        let golden = (golden name)["eval"]
        let side = golden["image_size"].GetValue<int>()
        let expected = first golden["float64_logits_first8"]
        let expected = [| for logit in expected.AsArray() -> logit.GetValue<float>() |]
        let norm = (first golden["float64_norm"]).GetValue<float>()
        let argmax = (first golden["argmax"]).GetValue<int64>()
        let model = find name []

        for placement, tolerance in [ float64, (if byProcessor then 1e-6 else 1e-9); float32, 1e-4 ] do
            use _ = torch.NewDisposeScope()
            use _ = torch.no_grad ()
            use network = fresh placement model (square side)
            network.eval ()
            let logits = network.forward (images placement 1 side)
            let found = numbers logits
            let length = found |> Array.sumBy (fun it -> it * it) |> sqrt
            Expect.isLessThan (relative [| length |] [| norm |]) tolerance "the norm of all"
            Expect.isLessThan (relative found[..7] expected) tolerance "the first eight"
            Expect.equal (logits.argmax().item<int64>()) argmax "the class"

            if placement.DType = torch.ScalarType.Float32 then
                use fused = Fusion.ofWeights network.Weights
                let found = fused.forward (images placement 1 side) |> numbers
                Expect.isLessThan (relative found[..7] expected) tolerance "fused"

let private losses { Name = name; Steps = steps; Narrow = narrow } =
    testCase $"{name}: the losses of {steps} steps"
    <| fun () ->
        let golden = (golden name)["train"]
        let side, count = golden["image_size"].GetValue<int>(), golden["batch"].GetValue<int>()
        let expected = [| for loss in golden["float64_losses"].AsArray() -> loss.GetValue<float>() |]
        let expected = Array.truncate steps expected
        let labels = [| for label in golden["labels"].AsArray() -> label.GetValue<int64>() |]
        let model = find name []
        let model = { model with Net = still model.Net }

        let recipe = {
            Recipe.plain with
                Optimizer =
                    Optimizer.Sgd {
                        Momentum = golden["momentum"].GetValue<float>()
                        Dampening = 0.0
                        Nesterov = false
                        WeightDecay = golden["weight_decay"].GetValue<float>()
                    }
                LearningRate = golden["lr"].GetValue<float>()
        }

        let follow placement steps =
            use _ = torch.NewDisposeScope()
            use network = fresh placement model (square side)
            network.train ()
            let mutable state = Loop.start recipe network 1000

            let losses = [|
                for _ in 1..steps do
                    use batch: Batch = { Images = images placement count side; Labels = torch.tensor labels }
                    let next, metrics = Loop.step recipe network state [ batch ]
                    use metrics = metrics
                    state <- next
                    metrics.Loss.``to``(torch.ScalarType.Float64).item<float>()
            |]

            (state :> IDisposable).Dispose()
            losses

        let found = follow float64 steps
        Expect.isLessThan (relative found expected) 1e-6 $"{List.ofArray found}, expected {List.ofArray expected}"

        // Here the way back is our own.
        narrow
        |> Option.iter (fun tolerance ->
            let found = follow float32 2
            let shown = $"float32: {List.ofArray found}, expected {List.ofArray expected}"
            Expect.isLessThan (relative found expected[..1]) tolerance shown)

let private compared name = { Name = name; Steps = 4; Narrow = None; ByProcessor = false; Always = false }

let private networks = [
    { compared "resnet18" with Narrow = Some 1e-3; Always = true }
    compared "resnet50"
    { compared "resnet101" with Steps = 3 }
    { compared "resnet152" with Steps = 2 }
    { compared "resnext50_32x4d" with Always = true }
    compared "wide_resnet50_2"
    { compared "wide_resnet101_2" with Steps = 3 }
    { compared "resnetv2_18" with Narrow = Some 1e-3; Always = true }
    compared "resnetv2_50"
    { compared "densenet121" with Narrow = Some 1e-3; Always = true }
    compared "densenet169"
    compared "densenet201"
    { compared "mobilenet_v2" with Narrow = Some 1e-2; Always = true }
    { compared "mobilenet_v3_small" with Narrow = Some 1e-3; Always = true }
    { compared "efficientnet_b0" with Narrow = Some 1e-3; Always = true }
    compared "efficientnet_b1"
    compared "efficientnet_b3"
    {
        compared "convnext_tiny" with
            Narrow = Some 1e-3
            ByProcessor = true
            Always = true
    }
]

/// With ImageNet's weights, as timm's file has them.
let private pretrained =
    testCase "tf_efficientnet_lite0 with its published weights gives timm's logits"
    <| fun () ->
        let name = "tf_efficientnet_lite0"
        let folder file = Shared.path [ "golden"; "pretrained"; file ]
        let golden = JsonNode.Parse(File.ReadAllText(folder "expected.json"))
        let expected = [| for it in golden["fixed_image_float64_logits_first8"].AsArray() -> it.GetValue<float>() |]
        let trained = TrainedModel.Read(folder $"{name}.safetensors", Requests.Named name)
        let side = 224
        Expect.equal trained.Input (square side) "what the network reads"

        for placement, tolerance in [ float64, 1e-9; float32, 1e-4 ] do
            use _ = torch.NewDisposeScope()
            use _ = torch.no_grad ()
            use network = trained.Build placement
            network.eval ()
            let found = network.forward (images placement 1 side) |> numbers
            Expect.isLessThan (relative found[..7] expected) tolerance $"{placement.DType}"

            if placement.DType = torch.ScalarType.Float32 then
                use fused = Fusion.ofWeights network.Weights
                let found = fused.forward (images placement 1 side) |> numbers
                Expect.isLessThan (relative found[..7] expected) tolerance "fused"

let tests =
    testList "families" [
        pretrained
        for it in networks do
            if it.Always || Effort.isNightly then
                weights it
                logits it
                losses it
    ]
