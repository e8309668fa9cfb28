/// A residual network of one block, and its weights as instructions of a pickle.
module Hybrid.Tests.Checkpoints.SmallNetwork

open System
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
