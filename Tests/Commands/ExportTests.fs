module Hybrid.Tests.Commands.ExportTests

open System.IO
open System.Text.Json
open Expecto
open Microsoft.ML.OnnxRuntime
open TorchSharp
open Hybrid
open Hybrid.Host.Checkpoints
open Hybrid.Tests
open Hybrid.Tests.Data
open Hybrid.Tests.Modules.Reference
open Hybrid.Tests.Onnx

let private tensors path = [
    for tensor in (CheckpointFile.Read path).Tensors -> tensor.Name, List.ofArray tensor.Shape, tensor.Bytes.ToArray()
]

let tests =
    testList "export" [
        test "the same tensors in every format, and each is a checkpoint again" {
            use folder = new TemporaryFolder()
            let published = Shared.path [ "golden"; "tutorial5"; "ResNetPreAct.ckpt" ]
            let mutable source = published

            for target in [ "a.safetensors"; "b.ckpt"; "c.safetensors"; "d.pt" ] do
                Executable.succeed folder.Path [ "export"; "--checkpoint"; source; "--to"; target ] |> ignore
                Expect.equal (tensors (folder.At target)) (tensors published) target
                source <- folder.At target

            let summary =
                (Executable.succeed folder.Path [ "summary"; "--checkpoint"; "c.safetensors"; "--json" ]).Json

            Expect.equal (summary.GetProperty("model").GetString()) "ResNetPreAct" "the model's name travels"
        }

        test "classes and normalisation travel in every format" {
            use folder = new TemporaryFolder()
            HandmadePictures.write (folder.At "red.png") (HandmadePictures.plain 20 20 (200uy, 10uy, 10uy))
            let trained = Trained.briefly folder

            let predict checkpoint =
                let it = Executable.succeed folder.Path [ "predict"; "--checkpoint"; checkpoint; "--json"; "red.png" ]

                it.Json.GetRawText()

            for target in [ "a.ckpt"; "b.pt"; "c.safetensors" ] do
                Executable.succeed folder.Path [ "export"; "--checkpoint"; trained; "--to"; target ] |> ignore
                Expect.equal (predict target) (predict trained) target
        }

        test "what is read is not written over, under whatever name" {
            use folder = new TemporaryFolder()
            HandmadePictures.write (folder.At "red.png") (HandmadePictures.plain 20 20 (200uy, 10uy, 10uy))
            let trained = folder.At(Trained.briefly folder)
            let before = File.ReadAllBytes trained
            File.CreateSymbolicLink(folder.At "link.safetensors", trained) |> ignore

            for arguments in
                [
                    [ "export"; "--checkpoint"; trained; "--to"; trained ]
                    [ "export"; "--checkpoint"; "link.safetensors"; "--to"; trained ]
                    [ "predict"; "--checkpoint"; trained; "--csv"; trained; "red.png" ]
                    [ "predict"; "--checkpoint"; trained; "--csv"; "./red.png"; "red.png" ]
                ] do
                let outcome = Executable.run folder.Path arguments
                Expect.equal outcome.ExitCode 2 $"{arguments}: {outcome.Err}"
                Expect.stringContains outcome.Err "is the file that is read" "why"

            Expect.equal (File.ReadAllBytes trained) before "as it was"
        }

        test "only a file of the kind that is written makes way" {
            use folder = new TemporaryFolder()
            let source = Shared.path [ "golden"; "tutorial5"; "ResNet.ckpt" ]
            let export target = Executable.run folder.Path [ "export"; "--checkpoint"; source; "--to"; target ]
            Expect.equal (export "a.pt").ExitCode 0 "new"
            let again = export "a.pt"
            Expect.equal again.ExitCode 0 again.Err
            Expect.stringContains again.Out "in the place of the file that was there" "said"

            for name in [ "notes.pt"; "notes.safetensors"; "notes.ckpt"; "notes.svg"; "notes.onnx"; "notes.py" ] do
                File.WriteAllText(folder.At name, "somebody's own notes, of some length")
                let outcome = export name
                Expect.equal outcome.ExitCode 2 outcome.Err
                Expect.stringContains outcome.Err $"--to {name} is there already" "why"
                Expect.stringContains outcome.Err "name another file" "what to do"
                Expect.stringStarts (File.ReadAllText(folder.At name)) "somebody's" "as it was"

            Directory.CreateDirectory(folder.At "folder.pt") |> ignore
            Expect.equal (export "folder.pt").ExitCode 2 "a folder"
            Expect.equal (export "net.svg").ExitCode 0 "a drawing"
            Expect.equal (export "net.svg").ExitCode 0 "a drawing again"
            Expect.equal (export "net.onnx").ExitCode 0 "an ONNX file"
            Expect.equal (export "net.onnx").ExitCode 0 "an ONNX file again"
            Expect.equal (export "net.py").ExitCode 0 "code"
            Expect.equal (export "net.py").ExitCode 0 "code again"

            if System.OperatingSystem.IsLinux() then
                Executable.tool "mkfifo" [ folder.At "pipe.pt" ] |> ignore
                let pipe = export "pipe.pt"
                Expect.equal pipe.ExitCode 2 pipe.Err
                Expect.stringContains pipe.Err "is a pipe or a device" "why"
        }

        test "a diagram of the network" {
            use folder = new TemporaryFolder()
            let published = Shared.path [ "golden"; "tutorial5"; "DenseNet.ckpt" ]

            let result =
                (Executable.succeed folder.Path [ "export"; "--checkpoint"; published; "--to"; "net.svg"; "--json" ])
                    .Json

            Expect.equal (result.GetProperty("tensors").GetInt32()) 0 "a drawing holds no tensors"

            Expect.stringContains
                (File.ReadAllText(folder.At "net.svg"))
                "blocks.6.block.5.net.5"
                "its last convolution"
        }

        test "an ONNX file gives the network's own logits" {
            use folder = new TemporaryFolder()
            use _ = torch.NewDisposeScope()
            use _ = torch.no_grad ()
            use generator = new torch.Generator(1UL, torch.CPU)
            let x = torch.randn ([| 5L; 3L; 32L; 32L |], generator = generator)

            for place, name in List.indexed (Catalogue.tutorial) do
                let published = Shared.path [ "golden"; "tutorial5"; $"{name}.ckpt" ]
                use network = TrainedModel.Read(published, Requests.Unnamed).Build Placement.cpu
                let more = if place % 2 = 0 then [] else [ "--fold"; "--opset"; "19" ]

                Executable.succeed folder.Path ([ "export"; "--checkpoint"; published; "--to"; "x.onnx" ] @ more)
                |> ignore

                use session = Ort.openSession true (File.ReadAllBytes(folder.At "x.onnx"))
                close 1e-5 $"{name} {more}" (Ort.run session x) (network.forward x)
        }

        test "an ONNX file says what is known of the network" {
            use folder = new TemporaryFolder()
            let trained = Trained.briefly folder
            Executable.succeed folder.Path [ "export"; "--checkpoint"; trained; "--to"; "x.onnx" ] |> ignore
            use session = Ort.openSession true (File.ReadAllBytes(folder.At "x.onnx"))
            let said = session.ModelMetadata
            let card = said.CustomMetadataMap
            Expect.equal said.GraphName "ResNet" "the graph's name"
            Expect.equal card["model"] "ResNet" "the model's"
            Expect.equal card["input"] "3x32x32" "its input"
            Expect.equal (int64 card["parameters"]) 2702L "its parameters"
            Expect.equal card["data"] "shapes" "what it was trained on"
            Expect.equal (card["epoch"], card["global_step"]) ("0", "2") "for how long"
            Expect.stringContains card["classes"] "\"disc\"" "its classes"
            use normalisation = JsonDocument.Parse card["normalisation"]
            Expect.equal (normalisation.RootElement.GetProperty("mean").GetArrayLength()) 3 "means"
            Expect.equal (normalisation.RootElement.GetProperty("std").GetArrayLength()) 3 "deviations"
            Expect.stringContains card["hyper_parameters"] "\"batch_size\":16" "how it was trained"
        }

        test "an ONNX file with preprocessing predicts as the program does" {
            use folder = new TemporaryFolder()
            let picture = HandmadePictures.rgb 53 38 (fun x y -> [ byte (x * 5); byte (y * 7); byte (x * y) ])
            HandmadePictures.write (folder.At "a.png") picture
            let trained = Trained.briefly folder
            let export more = Executable.run folder.Path ([ "export"; "--to"; "x.onnx"; "--with-preprocessing" ] @ more)
            let done' = export [ "--checkpoint"; trained ]
            Expect.equal done'.ExitCode 0 done'.Err
            use session = Ort.openSession true (File.ReadAllBytes(folder.At "x.onnx"))
            let card = session.ModelMetadata.CustomMetadataMap
            Expect.equal card["preprocessing"] "inside" "the file says so"

            let bytes = [|
                for y in 0..37 do
                    for x in 0..52 do
                        byte (x * 5)
                        byte (y * 7)
                        byte (x * y)
            |]

            let input = Tensors.DenseTensor<byte>(System.Memory bytes, System.ReadOnlySpan [| 1; 38; 53; 3 |])
            use outputs = session.Run [| NamedOnnxValue.CreateFromTensor("input", input) |]
            let probabilities = Array.ofSeq ((Seq.exactlyOne outputs).AsTensor<float32>())
            let classes = JsonSerializer.Deserialize<string array> card["classes"]

            let said =
                (Executable.succeed folder.Path [ "predict"; "--checkpoint"; trained; "--json"; "--top"; "10"; "a.png" ])
                    .Json.GetProperty("predictions")[0]

            let names = [ for it in said.GetProperty("classes").EnumerateArray() -> it.GetString() ]

            for name, it in Seq.zip names (said.GetProperty("probabilities").EnumerateArray()) do
                let place = System.Array.IndexOf(classes, name)
                Expect.isLessThan (abs (float probabilities[place] - it.GetDouble())) 1e-4 name

            let published = [ "--checkpoint"; Shared.path [ "golden"; "tutorial5"; "ResNet.ckpt" ] ]
            let unknown = export published
            Expect.equal unknown.ExitCode 2 unknown.Err
            Expect.stringContains unknown.Err "name the data that it was trained on with --data" "what to do"
            let lent = export (published @ [ "--data"; "shapes" ])
            Expect.equal lent.ExitCode 0 lent.Err
        }

        test "options of ONNX files are of no other" {
            use folder = new TemporaryFolder()
            let published = Shared.path [ "golden"; "tutorial5"; "ResNet.ckpt" ]
            let export more = Executable.run folder.Path ([ "export"; "--checkpoint"; published ] @ more)

            for more in
                [
                    [ "--fold" ]
                    [ "--opset"; "18" ]
                    [ "--precision"; "float16" ]
                    [ "--with-preprocessing" ]
                    [ "--data"; "shapes" ]
                ] do
                let outcome = export ([ "--to"; "x.pt" ] @ more)
                Expect.equal outcome.ExitCode 2 outcome.Err
                Expect.stringContains outcome.Err $"{more.Head} is of .onnx files, not of --to x.pt" "why"

            let old = export [ "--to"; "x.onnx"; "--opset"; "16" ]
            Expect.equal old.ExitCode 2 old.Err
            Expect.stringContains old.Err "--opset is 16, expected at least 17" "why"

            for target in [ "x.onnx"; "x.pt"; "x.py" ] do
                let elsewhere = export [ "--to"; target; "--libtorch"; "nowhere" ]
                Expect.equal elsewhere.ExitCode 2 elsewhere.Err
                Expect.stringContains elsewhere.Err "nowhere" "which"

            Expect.isEmpty (Directory.GetFiles folder.Path) "nothing is left"
        }

        test "a file that cannot be written is said to be so" {
            use folder = new TemporaryFolder()
            File.WriteAllText(folder.At "taken", "a file where a folder would have to be")
            let published = Shared.path [ "golden"; "tutorial5"; "ResNet.ckpt" ]

            let outcome =
                Executable.run folder.Path [ "export"; "--checkpoint"; published; "--to"; "taken/where.pt" ]

            Expect.equal outcome.ExitCode 1 outcome.Err
            Expect.stringContains outcome.Err "taken" "which file"
        }
    ]
