/// The tutorial's published checkpoints and the weights that the reference runs began with.
module Hybrid.Tests.Checkpoints.GoldenArchiveTests

open System.IO
open System.Text.Json.Nodes
open Expecto
open Hybrid.Host.Checkpoints
open Hybrid.Tests.Checkpoints.Handmade

let private models = [ "GoogleNet", 260_650; "ResNet", 272_378; "ResNetPreAct", 272_250; "DenseNet", 239_146 ]

let private stateKeys model =
    let trajectory = JsonNode.Parse(File.ReadAllText(shared $"golden/trajectories/{model}.json"))
    [ for key in trajectory["state_keys"].AsArray() -> key.GetValue<string>() ]

/// Elements that are trained: not the running statistics of batch norm.
let private parameters (tensors: StoredTensor seq) =
    tensors
    |> Seq.filter (fun t -> t.Name.EndsWith ".weight" || t.Name.EndsWith ".bias")
    |> Seq.sumBy _.Count

/// What the published files say of themselves.
let private hyperParameters model =
    let sgd =
        """"optimizer_name":"SGD","optimizer_hparams":{"lr":0.1,"momentum":0.9,"weight_decay":0.0001}}"""

    let adam = """"optimizer_name":"Adam","optimizer_hparams":{"lr":0.001,"weight_decay":0.0001}}"""

    let residual =
        """{"model_name":"ResNet","model_hparams":{"num_classes":10,"c_hidden":[16,32,64],"num_blocks":[3,3,3],"""

    match model with
    | "GoogleNet" -> """{"model_name":"GoogleNet","model_hparams":{"num_classes":10,"act_fn_name":"relu"},""" + adam
    | "ResNet" -> residual + """"act_fn_name":"relu"},""" + sgd
    | "ResNetPreAct" -> residual + """"act_fn_name":"relu","block_name":"PreActResNetBlock"},""" + sgd
    | _ ->
        """{"model_name":"DenseNet","model_hparams":{"num_classes":10,"num_layers":[6,6,6,6],"bn_size":2,"""
        + """"growth_rate":16,"act_fn_name":"relu"},"""
        + adam

/// Epoch, steps, and values as PyTorch 1.13 shows them: the first of the first tensor, the first of the last one.
let private published =
    Map [
        "GoogleNet", (180, 63180, 0.15436364710330963, -0.022877180948853493)
        "ResNet", (162, 56862, 0.026241136714816093, 0.11762925982475281)
        "ResNetPreAct", (171, 60021, 0.5904642939567566, 0.020184854045510292)
        "DenseNet", (167, 58617, 0.22837211191654205, -0.040013398975133896)
    ]

let private agree model (result: Checkpoint) count =
    Expect.equal [ for t in result.Tensors -> t.Name ] (stateKeys model) "names and order"
    Expect.equal (parameters result.Tensors) count "parameters"

    for tensor in result.Tensors do
        let tracked = tensor.Name.EndsWith ".num_batches_tracked"
        Expect.equal tensor.DType (if tracked then DType.Int64 else DType.Float32) tensor.Name

        if tracked then
            Expect.isEmpty tensor.Shape "a scalar"

let private values (tensor: StoredTensor) = tensor.ToFloat32() |> Array.map float

let tests =
    testList "golden archives" [
        for model, count in models do
            testCase $"{model}.ckpt"
            <| fun () ->
                let result = CheckpointFile.Read(shared $"golden/tutorial5/{model}.ckpt")
                Expect.equal result.Format "torch.save legacy" "format"
                agree model result count
                Expect.equal (result.HyperParameters.ToJsonString()) (hyperParameters model) "hyperparameters"
                let epoch, steps, first, last = published[model]
                Expect.equal (result.Metadata["epoch"].GetValue<int64>()) (int64 epoch) "epoch"
                Expect.equal (result.Metadata["global_step"].GetValue<int64>()) (int64 steps) "steps"
                Expect.equal (Seq.head result.Tensors |> values |> Array.head) first "first tensor"
                Expect.equal (Seq.last result.Tensors |> values |> Array.head) last "last tensor"
                let tracked = result.Tensors |> Seq.find (fun t -> t.DType = DType.Int64)
                Expect.equal (values tracked) [| float steps |] "steps that batch norm counted"

            testCase $"{model}.init.pt"
            <| fun () ->
                let result = CheckpointFile.Read(shared $"golden/trajectories/{model}.init.pt")
                Expect.equal result.Format "torch.save zip" "format"
                Expect.isNull result.HyperParameters "a bare state dict"
                agree model result count
    ]
