/// Archives that Hybrid writes, read back by itself and, where it is installed, by PyTorch; and PyTorch's by Hybrid.
module Hybrid.Tests.Checkpoints.ArchiveWriterTests

open System
open System.Diagnostics
open System.IO
open System.Security.Cryptography
open System.Text.Json.Nodes
open Expecto
open Hybrid.Host.Checkpoints
open Hybrid.Tests.Checkpoints.Handmade

let private dtypes = Enum.GetValues<DType>()

/// One tensor of each type, a scalar, and an empty one, drawn from a seed.
let private drawn (seed: int) = [
    let random = Random seed

    let draw (name: string) dtype (shape: int64 list) =
        let bytes = Array.zeroCreate<byte>(int (List.fold (*) 1L shape) * DTypes.Size dtype)
        random.NextBytes bytes
        // No NaN, whose payload a conversion may change, and only 0 and 1 as bool.
        let bytes = bytes |> Array.map (fun b -> if dtype = DType.Bool then b &&& 1uy else b &&& 0x3Fuy)
        StoredTensor(name, dtype, List.toArray shape, bytes)

    for dtype in dtypes do
        draw $"layers.{dtype}.weight" dtype [ 2L; 3L; 1L + int64 (random.Next 4) ]

    draw "layers.norm.num_batches_tracked" DType.Int64 []
    draw "layers.empty" DType.Float32 [ 0L; 3L ]
]

let private hyperParameters () =
    let text =
        """{"model_name":"ResNet","model_hparams":{"c_hidden":[16,32,64],"act_fn_name":"relu"},"lr":0.1,"""
        + """"negative":-70000,"large":1099511627776,"yes":true,"no":false,"none":null,"text":"Größe","list":[]}"""

    let parsed = JsonNode.Parse(text).AsObject()
    parsed["one"] <- JsonValue.Create 1.0
    parsed

let private inFolder test =
    let folder = Directory.CreateTempSubdirectory "hybrid-"

    try
        test folder.FullName
    finally
        folder.Delete true

let private writeBoth folder =
    let state, lightning = Path.Combine(folder, "a.pt"), Path.Combine(folder, "b.ckpt")
    PyTorchArchiveWriter.WriteStateDict(state, drawn 1 |> List.toArray)
    PyTorchArchiveWriter.WriteLightning(lightning, drawn 1 |> List.toArray, hyperParameters (), 7L, 2808L)
    state, lightning

let private same (before: StoredTensor list) (after: StoredTensor seq) =
    Expect.equal [ for t in after -> t.Name ] [ for t in before -> t.Name ] "names in order"

    for b, a in Seq.zip before after do
        Expect.equal a.DType b.DType b.Name
        Expect.equal a.Shape b.Shape b.Name
        Expect.isTrue (a.Bytes.Span.SequenceEqual b.Bytes.Span) b.Name

/// PyTorch's word for a type.
let private torchName (dtype: DType) = (string dtype).ToLowerInvariant()

let private description (tensor: StoredTensor) =
    let hash = Convert.ToHexStringLower(SHA256.HashData tensor.Bytes.Span)
    let shape = String.Join(", ", tensor.Shape)
    $"{tensor.Name} {torchName tensor.DType} [{shape}] {hash}"

let private described (tensors: JsonNode) = [
    for pair in tensors.AsArray() do
        let tensor = pair[1]
        let shape = String.Join(", ", [ for size in tensor["shape"].AsArray() -> string size ])
        let dtype, hash = tensor["dtype"], tensor["sha256"]
        $"{pair[0]} {dtype} [{shape}] {hash}"
]

let private run (program: string) (arguments: string list) =
    let start =
        ProcessStartInfo(program, arguments, RedirectStandardOutput = true, RedirectStandardError = true)

    try
        use python = Process.Start start
        let errors = python.StandardError.ReadToEndAsync()
        let output = python.StandardOutput.ReadToEnd()
        python.WaitForExit()
        if python.ExitCode = 0 then Ok output else Error errors.Result
    with :? ComponentModel.Win32Exception as e ->
        Error e.Message

/// A Python that has torch, isolated from the environment; searched for once.
let private python =
    lazy
        ([ "python3"; "/usr/bin/python3"; "python" ]
         |> List.tryFind (fun candidate -> Result.isOk (run candidate [ "-I"; "-c"; "import torch" ])))

let private torch (arguments: string list) =
    let script = Path.Combine(__SOURCE_DIRECTORY__, "torch_roundtrip.py")

    match python.Value with
    | Some found when File.Exists script ->
        match run found ([ "-I"; script ] @ arguments) with
        | Ok output -> JsonNode.Parse(output).AsArray()
        | Error errors -> failtest errors
    | _ -> skiptest "needs a python3 with torch"

let tests =
    testList "archive writer" [
        testCase "a state dict is read as it was written"
        <| fun () ->
            inFolder (fun folder ->
                let state, _ = writeBoth folder
                let result = CheckpointFile.Read state
                Expect.equal result.Format "torch.save zip" "format"
                same (drawn 1) result.Tensors)

        testCase "a Lightning checkpoint is read as it was written"
        <| fun () ->
            inFolder (fun folder ->
                let _, lightning = writeBoth folder
                let result = CheckpointFile.Read lightning
                same (drawn 1) result.Tensors

                Expect.equal
                    (result.HyperParameters.ToJsonString())
                    (hyperParameters().ToJsonString())
                    "hyperparameters"

                Expect.equal (result.Metadata["epoch"].GetValue<int64>()) 7L "epoch"
                Expect.equal (result.Metadata["global_step"].GetValue<int64>()) 2808L "steps")

        testCase "equal arguments give equal bytes"
        <| fun () ->
            inFolder (fun folder ->
                let bytes () = let a, b = writeBoth folder in File.ReadAllBytes a, File.ReadAllBytes b
                Expect.equal (bytes ()) (bytes ()) "same files")

        testCase "any zip reader finds each entry's data at a multiple of 64 bytes"
        <| fun () ->
            inFolder (fun folder ->
                let state, _ = writeBoth folder
                use zip = Compression.ZipFile.OpenRead state
                let bytes = File.ReadAllBytes state

                for entry in zip.Entries do
                    use stream = entry.Open()
                    let content = Array.zeroCreate<byte>(int entry.Length)
                    stream.ReadExactly content
                    Expect.equal entry.Crc32 (crc32 content) "checksum"
                    let aligned = seq { 0..64 .. bytes.Length - content.Length }

                    let found =
                        aligned |> Seq.exists (fun at -> bytes.AsSpan(at, content.Length).SequenceEqual content)

                    Expect.isTrue found entry.FullName)

        testCase "a name may not be used twice"
        <| fun () ->
            inFolder (fun folder ->
                let path = Path.Combine(folder, "x.pt")
                let tensor = StoredTensor("w", DType.UInt8, [| 0L |], ReadOnlyMemory.Empty)
                let write () = PyTorchArchiveWriter.WriteStateDict(path, [| tensor; tensor |])
                Expect.throwsT<ArgumentException> write "refused"
                Expect.isFalse (File.Exists path) "nothing written")

        testCase "PyTorch reads what Hybrid writes"
        <| fun () ->
            inFolder (fun folder ->
                let state, lightning = writeBoth folder
                // One without floats, which the restricted reader of PyTorch 1.13 takes too.
                let whole = Path.Combine(folder, "c.ckpt")
                let sizes = JsonNode.Parse("""{"sizes":[1,-2,1099511627776],"names":{"a":null,"b":true}}""").AsObject()
                PyTorchArchiveWriter.WriteLightning(whole, drawn 1 |> List.toArray, sizes, 0L, 0L)
                let found = torch [ "describe"; state; lightning; whole ]
                let expected prefix = [ for t in drawn 1 -> prefix + description t ]
                Expect.equal (described found[0].["tensors"]) (expected "") "state dict"
                Expect.equal (described found[1].["tensors"]) (expected "model.") "Lightning checkpoint"
                let given = hyperParameters ()
                Expect.isTrue (JsonNode.DeepEquals(found[1].["hyper_parameters"], given)) "hyperparameters"
                Expect.equal (found[1].["epoch"].GetValue<int>()) 7 "epoch"
                Expect.isTrue (JsonNode.DeepEquals(found[2].["hyper_parameters"], sizes)) "hyperparameters"
                Expect.isTrue (found[0].["ordered"].GetValue<bool>()) "an OrderedDict")

        testCase "Hybrid reads what PyTorch writes"
        <| fun () ->
            inFolder (fun folder ->
                for file in torch [ "make"; folder ] do
                    let name = file["file"].GetValue<string>()
                    let result = CheckpointFile.Read(Path.Combine(folder, name))
                    let format = if name.Contains "legacy" then "torch.save legacy" else "torch.save zip"
                    Expect.equal result.Format format name
                    Expect.equal [ for t in result.Tensors -> description t ] (described file["tensors"]) name
                    Expect.isTrue (JsonNode.DeepEquals(result.HyperParameters, file["hyper_parameters"])) name)

        testCase "Hybrid and PyTorch find the same in the published checkpoints"
        <| fun () ->
            let models = [ "GoogleNet"; "ResNet"; "ResNetPreAct"; "DenseNet" ]
            let paths = [ for model in models -> shared $"golden/tutorial5/{model}.ckpt" ]
            let initial = [ for model in models -> shared $"golden/trajectories/{model}.init.pt" ]
            let found = torch ("describe" :: paths @ initial)

            for path, file in Seq.zip (paths @ initial) found do
                let prefix = if path.EndsWith ".ckpt" then "model." else ""
                let ours = [ for t in (CheckpointFile.Read path).Tensors -> prefix + description t ]
                Expect.equal ours (described file["tensors"]) path
    ]
