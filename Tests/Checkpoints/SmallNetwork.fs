/// A residual network of one block, and its weights as instructions of a pickle.
module Hybrid.Tests.Checkpoints.SmallNetwork

open System
open System.Collections.Generic
open System.IO
open Hybrid
open Hybrid.Command
open Hybrid.Host.Checkpoints
open Hybrid.Tests.Checkpoints.Handmade

let request: ModelRequest = {
    Name = "ResNet"
    Hparams = [| struct ("num_blocks", "1"); struct ("c_hidden", "2"); struct ("num_classes", "3") |]
    Weights = ""
}

let specs =
    lazy
        (let model = Models.Find(request, 0)
         List.ofSeq (Models.StateTensors(Models.Plan(model, Shape.Image(3, 32, 32)))))

let private isCount (spec: TensorSpec) = spec.Role = Role.NumBatchesTracked

/// Every weight is the value; the counts are left out.
let private keyed value = [
    for spec in specs.Value do
        if not (isCount spec) then
            let key = $"{value}-{spec.Key}"
            spec, key, floats (List.replicate (int spec.Elements) value)
]

/// The network's tensors, all of one value, under names that `rename` makes of its own.
let state (value: float32) (rename: string -> string) = [
    for spec, key, _ in keyed value do
        let sizes = List.map int64 spec.Dims
        let strides = List.tail (List.scanBack (*) sizes 1L)
        rename spec.Key, tensor (storage "FloatStorage" key spec.Elements) 0L sizes strides
]

/// The bytes that `state` refers to.
let storages (value: float32) = [ for _, key, bytes in keyed value -> key, bytes ]

/// An archive of these instructions, which may refer to weights of 1, of 2, and to a storage `x` of four numbers.
let archive (root: byte[]) = torchZip root (("x", floats [ 1f; 2f; 3f; 4f ]) :: storages 1f @ storages 2f)

/// What `x` holds.
let further = vector "x" 4

let readAs (weights: string) (bytes: byte[]) (remark: string -> unit) =
    withFile bytes (fun path -> TrainedModel.Read(path, { request with Weights = weights }, Action<string> remark))

/// The first number of the first weight that was read.
let valueOf (trained: TrainedModel) = trained.Tensors[0].ToFloat32()[0]

let private hyperParameters =
    """{"model_name":"ResNet","model_hparams":{"num_classes":3,"num_blocks":[1],"c_hidden":[2]}}"""

let private facts = [
    "hyper_parameters", hyperParameters
    "input", "3x32x32"
    "classes", """["a","b","c"]"""
    "normalisation", """{"Mean":[0.5,0.5,0.5],"Std":[0.2,0.2,0.2]}"""
    "data", "shapes"
]

let private tensors (fill: TensorSpec -> StoredTensor) = specs.Value |> List.map fill |> List.toArray

/// Weights of one value, and counts of nothing.
let filled (value: float32) (spec: TensorSpec) =
    let shape = spec.Dims |> List.map int64 |> List.toArray

    if spec.Role = Role.NumBatchesTracked then
        StoredTensor(spec.Key, DType.Int64, shape, ReadOnlyMemory(Array.zeroCreate 8))
    else
        StoredTensor(spec.Key, DType.Float32, shape, ReadOnlyMemory(floats (List.replicate (int spec.Elements) value)))

let plain = filled 0.5f

/// A checkpoint as Hybrid writes it, with some facts in other words.
let written (fill: TensorSpec -> StoredTensor) (changes: (string * string) list) =
    withFile [||] (fun path ->
        let metadata = Dictionary(dict facts)

        for key, value in changes do
            metadata[key] <- value

        Safetensors.Write(path, tensors fill, metadata)
        File.ReadAllBytes path)
