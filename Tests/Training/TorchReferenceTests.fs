/// Other networks, seeds, activations, batch sizes and optimisers than the stored reference runs have, against PyTorch
/// itself where the machine has it (`torch_reference.py`).
module Hybrid.Tests.Training.TorchReferenceTests

open Hybrid.Tests
open System
open System.Security.Cryptography
open System.Text
open System.Text.Json.Nodes
open Expecto
open TorchSharp
open Hybrid
open Hybrid.Tests.Training.SmallData
open Hybrid.Tests.Training.Trajectory

type private Case = {
    Model: string
    Hparams: (string * string) list
    Seed: int64
    Optimizer: Optimizer
    Rate: float
    Images: int
    BatchSize: int
    Epochs: int
    Milestones: int list
    Accumulate: int
    ClipNorm: float option
    Average: float option
    FreezeBody: bool
}

let private sgd = { Momentum = 0.9; Dampening = 0.0; Nesterov = false; WeightDecay = 1e-4 }

let private case model hparams seed optimizer rate = {
    Model = model
    Hparams = hparams
    Seed = seed
    Optimizer = optimizer
    Rate = rate
    Images = 64
    BatchSize = 16
    Epochs = 1
    Milestones = []
    Accumulate = 1
    ClipNorm = None
    Average = None
    FreezeBody = false
}

let private cases = [
    {
        case "GoogleNet" [ "act_fn_name", "tanh"; "num_classes", "7" ] 1L Recipe.adamW 1e-3 with
            Images = 24
            BatchSize = 8
    }
    {
        case
            "ResNet"
            [ "num_blocks", "1,2"; "c_hidden", "8,12"; "act_fn_name", "gelu" ]
            2L
            (Optimizer.Sgd { sgd with Nesterov = true })
            0.05 with
            BatchSize = 24
    }
    {
        case "ResNet" [ "num_blocks", "2"; "c_hidden", "5"; "act_fn_name", "tanh" ] 3L Recipe.rmsProp 1e-3 with
            Epochs = 2
            Milestones = [ 1 ]
    }
    case
        "ResNetPreAct"
        [ "num_blocks", "1,1,1"; "c_hidden", "8,12,16"; "act_fn_name", "leakyrelu" ]
        4L
        (Optimizer.Sgd { sgd with Dampening = 0.5 })
        0.1
    case "ResNetPreAct" [ "num_blocks", "1,2"; "c_hidden", "6,6"; "act_fn_name", "gelu" ] 5L Recipe.adamW 1e-2
    case
        "DenseNet"
        [ "num_layers", "2,3"; "bn_size", "3"; "growth_rate", "8"; "act_fn_name", "gelu" ]
        6L
        Recipe.adam
        1e-3
    case
        "DenseNet"
        [ "num_layers", "1,1,1"; "growth_rate", "6"; "num_classes", "3"; "act_fn_name", "leakyrelu" ]
        7L
        (Optimizer.Sgd sgd)
        0.1
    // Seven batches an epoch: steps of three, three and one.
    {
        case "ResNet" [ "num_blocks", "1,1"; "c_hidden", "6,8" ] 8L (Optimizer.Sgd sgd) 0.05 with
            Images = 56
            BatchSize = 8
            Epochs = 2
            Milestones = [ 1 ]
            Accumulate = 3
            ClipNorm = Some 0.5
            Average = Some 0.8
    }
    {
        case "ResNetPreAct" [ "num_blocks", "1,1"; "c_hidden", "6,8" ] 9L Recipe.adamW 0.01 with
            BatchSize = 8
            Average = Some 0.5
            FreezeBody = true
    }
]

let private told case =
    let hparams = case.Hparams |> List.map (fun (key, value) -> $"{key}={value}") |> String.concat " "
    let batches = if case.Accumulate > 1 then $"{case.Accumulate} batches" else "batches"
    let clipped = if case.ClipNorm.IsSome then ", clipped" else ""
    let averaged = if case.Average.IsSome then ", averaged" else ""
    let frozen = if case.FreezeBody then ", the body frozen" else ""

    $"{case.Model} {hparams}, seed {case.Seed}, {Optimizer.name case.Optimizer}, {batches} of {case.BatchSize}"
    + clipped
    + averaged
    + frozen

let private number (value: float) = JsonValue.Create value :> JsonNode

/// The case as the script is asked for it, in PyTorch's words.
let private request (case: Case) =
    let hparam (value: Hparam) : JsonNode =
        match value with
        | Hparam.Int count -> JsonValue.Create count
        | Hparam.Ints counts -> JsonArray [| for count in counts -> JsonValue.Create count :> JsonNode |]
        | Hparam.Number number -> JsonValue.Create number
        | Hparam.Text text -> JsonValue.Create text

    let settings =
        match case.Optimizer with
        | Optimizer.Sgd p -> [
            "momentum", number p.Momentum
            "dampening", number p.Dampening
            "nesterov", JsonValue.Create p.Nesterov :> JsonNode
            "weight_decay", number p.WeightDecay
          ]
        | Optimizer.Adam p -> [
            "betas", JsonArray(number p.Beta1, number p.Beta2) :> JsonNode
            "eps", number p.Epsilon
            "weight_decay", number p.WeightDecay
          ]
        | Optimizer.RmsProp p -> [
            "alpha", number p.Alpha
            "eps", number p.Epsilon
            "momentum", number p.Momentum
            "weight_decay", number p.WeightDecay
          ]

    let record (fields: (string * JsonNode) list) =
        JsonObject [ for key, value in fields -> Collections.Generic.KeyValuePair(key, value) ]

    record [
        "model", JsonValue.Create case.Model
        "hparams", record [ for key, value in (model case.Model case.Hparams).Hparams -> key, hparam value ]
        "seed", JsonValue.Create case.Seed
        "optimizer", JsonValue.Create(Optimizer.name case.Optimizer)
        "optimizer_hparams", record (("lr", number case.Rate) :: settings)
        "milestones", JsonArray [| for epoch in case.Milestones -> JsonValue.Create epoch :> JsonNode |]
        "images", JsonValue.Create case.Images
        "batch_size", JsonValue.Create case.BatchSize
        "epochs", JsonValue.Create case.Epochs
        "accumulate", JsonValue.Create case.Accumulate
        "freeze_body", JsonValue.Create case.FreezeBody

        for key, setting in [ "clip_norm", case.ClipNorm; "ema", case.Average ] do
            match setting with
            | Some value -> key, number value
            | None -> ()
    ]

/// All answers at once: to start PyTorch takes longer than to run it.
let private answers =
    lazy
        (let requests = JsonArray [| for case in cases -> request case :> JsonNode |]

         PyTorch.run [ "Tests"; "Training"; "torch_reference.py" ] (requests.ToJsonString())
         |> Option.map JsonNode.Parse)

/// As the script computes it: every key, then its numbers as float32.
let private checksum (network: TorchModule) =
    use digest = IncrementalHash.CreateHash HashAlgorithmName.SHA256

    for spec in network.Weights.Specs do
        use _ = torch.NewDisposeScope()
        digest.AppendData(Encoding.UTF8.GetBytes spec.Key)
        let tensor = network.Weights[spec.Key].detach().``to``(torch.ScalarType.Float32).contiguous()

        for value in tensor.data<float32>().ToArray() do
            digest.AppendData(BitConverter.GetBytes value)

    Convert.ToHexStringLower(digest.GetHashAndReset())

let tests =
    testList "PyTorch on other settings" [
        for index, case in List.indexed cases do
            testCase (told case)
            <| fun () ->
                match answers.Value with
                | None -> skiptest "no python3 with torch on the path"
                | Some answers ->
                    use _ = torch.NewDisposeScope()
                    let expected = answers[index]
                    let model = model case.Model case.Hparams
                    use network = network torch.ScalarType.Float64 case.Seed model
                    let parameters = expected["parameters"].GetValue<int64>()
                    Expect.equal (Plan.parameterCount network.Plan) parameters "parameters"
                    Expect.equal (checksum network) (expected["init_sha256"].GetValue<string>()) "first weights"

                    let recipe = {
                        Recipe.published model with
                            Optimizer = case.Optimizer
                            LearningRate = case.Rate
                            BatchSize = case.BatchSize
                            Epochs = case.Epochs
                            Schedule = Schedule.Milestones(case.Milestones, 0.1)
                            Accumulate = case.Accumulate
                            Clipping = Option.map Clipping.Norm case.ClipNorm
                            Average = case.Average
                            Body = (if case.FreezeBody then BodyTraining.frozen else BodyTraining.trained)
                    }

                    let data = imagesOf case.Images 3 32 model.Classes
                    let feed = feedOf torch.ScalarType.Float64 case.BatchSize data

                    let found, metrics =
                        followed 0 recipe network feed (fun kept -> Loop.evaluate recipe.Objective kept feed)

                    lossesAgree 1e-9 found.Losses [ for loss in expected["losses"].AsArray() -> loss.GetValue<float>() ]

                    normsAgree 1e-9 found.GradientNorms [
                        for norm in expected["grad_norms"].AsObject() -> norm.Key, norm.Value.GetValue<float>()
                    ]

                    let after = expected["loss_after"].GetValue<float>()
                    Expect.isLessThan (abs (metrics.Loss - after)) 1e-9 "loss after the run"
    ]
