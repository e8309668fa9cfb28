/// One small network in the files that today's PyTorch, Lightning and safetensors write, and files that hold no weights.
module Hybrid.Tests.Checkpoints.ForeignFileTests

open System
open System.IO
open System.Text.Json.Nodes
open Expecto
open TorchSharp
open Hybrid
open Hybrid.Command
open Hybrid.Host.Checkpoints
open Hybrid.Host.Runtime
open Hybrid.Tests.Checkpoints.Handmade

let private golden (name: string) = shared $"golden/checkpoints/{name}"

let private request: ModelRequest = {
    Name = "ResNet"
    Hparams = [| struct ("num_blocks", "1,1"); struct ("c_hidden", "4,8"); struct ("num_classes", "10") |]
    Weights = ""
}

let private expected (key: string) =
    let file = JsonNode.Parse(File.ReadAllText(golden "expected.json"))

    [
        for row in file[key].AsArray() do
            for logit in row.AsArray() -> logit.GetValue<float32>()
    ]

let private logits (path: string) =
    use _ = torch.NewDisposeScope()
    use network = TrainedModel.Read(path, request).Build Placement.cpu
    let pixels = [| for i in 0 .. 2 * 3 * 32 * 32 - 1 -> float32 (i * 7919 % 1000) / 500f - 1f |]
    let images = torch.tensor(pixels).reshape(2L, 3L, 32L, 32L)
    List.ofArray (network.forward(images).detach().data<float32>().ToArray())

let private agrees (name: string) key tolerance =
    testCase name
    <| fun () ->
        for mine, theirs in List.zip (logits (golden name)) (expected key) do
            Expect.isLessThan (abs (mine - theirs)) tolerance "a logit"

/// The request or the file is refused in one line with these words.
let private refused (words: string list) (path: string) =
    let message =
        try
            TrainedModel.Read(path, request) |> ignore
            failtest "read"
        with
        | :? WorkException as error -> error.Message
        | :? RequestException as error -> error.Message

    for word in words do
        Expect.stringContains message word "what is said"

    Expect.isFalse (Seq.exists Char.IsControl message) "one line"

let tests =
    testList "foreign files" [
        for name in
            [
                "plain.pt"
                "legacy.pt"
                "channels_last.pt"
                "views_of_one_storage.pt"
                "compiled.pt"
                "with_a_body_name.bin"
                "dict_with_everything.pt"
                "prefix_no_counts.safetensors"
            ] do
            agrees name "logits" 1e-5f

        agrees "half.safetensors" "logits" 5e-3f
        agrees "bfloat16.pt" "logits" 3e-2f
        agrees "lightning.ckpt" "logits_of_lightning_ckpt" 1e-5f

        for name, words in
            [
                "whole_model.pt", [ "whole model"; "'golden.ResNet'"; "torch.save(model.state_dict()" ]
                "script.pt", [ "TorchScript"; "torch.jit.load('FILE').state_dict()" ]
                "export.pt2", [ "torch.export"; "torch.export.load('FILE').state_dict" ]
                "quantized.pt", [ "quantised"; "float_model.state_dict()" ]
                "list.pt", [ "list of 34 values without names"; "torch.save(model.state_dict()" ]
            ] do
            testCase name <| fun () -> refused words (golden name)

        for begin', words in
            [
                "version https://git-lfs.github.com/spec/v1", [ "Git LFS"; "git lfs pull" ]
                "<!DOCTYPE html><html>", [ "web page" ]
                "\u0089HDF\r\n", [ "HDF5" ]
                "GGUF", [ "GGUF" ]
                "\u001f\u008b\b", [ "gzip" ]
                "{\"metadata\": {}, \"weight_map\": {}}", [ "index" ]
                "anything else", [ "neither" ]
            ] do
            testCase $"a file that begins with {begin'.Trim()}"
            <| fun () ->
                let bytes = Array.append (Text.Encoding.Latin1.GetBytes begin') (Array.zeroCreate 64)
                withFile bytes (refused words)

        for entries, words in
            [
                [ ".metadata"; "__0_0.distcp" ], [ "distributed"; "dcp_to_torch" ]
                [ "zero_to_fp32.py"; "latest" ], [ "DeepSpeed"; "zero_to_fp32.py" ]
                [ "config.json"; "model.safetensors" ], [ "is a folder"; "model.safetensors" ]
                [], [ "is a folder" ]
            ] do
            testCase $"a folder of %A{entries}"
            <| fun () ->
                let folder = Directory.CreateTempSubdirectory "hybrid-"

                try
                    for entry in entries do
                        File.WriteAllText(Path.Combine(folder.FullName, entry), "")

                    refused words folder.FullName
                finally
                    folder.Delete true

        testCase "float8 weights"
        <| fun () ->
            let float8 =
                call "torch._utils" "_rebuild_tensor_v3" [
                    yield! [ storage "FloatStorage" "x" 4L; Op.int 0L; tupleOf [ Op.int 4L ]; tupleOf [ Op.int 1L ] ]
                    yield! [ Op.no; call "collections" "OrderedDict" []; Op.named "torch" "float8_e4m3fn" ]
                ]

            let root = dictionary [ "w", SmallNetwork.further; "input_net.0.weight", float8 ]
            withFile (SmallNetwork.archive root) (refused [ "'input_net.0.weight'"; "float8_e4m3fn"; "v.float()" ])
    ]
