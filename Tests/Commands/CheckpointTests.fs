/// Verbs on checkpoints that say or hold what they should not.
module Hybrid.Tests.Commands.CheckpointTests

open System.IO
open Expecto
open Hybrid.Tests.Checkpoints
open Hybrid.Tests.Checkpoints.SmallNetwork
open Hybrid.Tests.Data

let private refuses exitCode (words: string list) folder arguments =
    let outcome = Executable.run folder arguments
    Expect.equal outcome.ExitCode exitCode $"{arguments}\n{outcome.Out}\n{outcome.Err}"

    for word in words do
        Expect.stringContains outcome.Err word "what is said"

let tests =
    testList "verbs on checkpoints" [
        test "a checkpoint's data starts no download and makes no folder" {
            use folder = new TemporaryFolder()

            for source in [ "cifar10"; "cifar100" ] do
                let there = folder.At "elsewhere"
                File.WriteAllBytes(folder.At "a.safetensors", written plain [ "data", $"{source}:{there}" ])
                refuses 2 [ there; "--data" ] folder.Path [ "test"; "--checkpoint"; "a.safetensors" ]
                Expect.isFalse (Directory.Exists there) "no folder"
        }

        test "weights that overflow give no result" {
            use folder = new TemporaryFolder()
            HandmadePictures.write (folder.At "red.png") (HandmadePictures.plain 20 20 (200uy, 10uy, 10uy))
            let classes = """["disc","square","triangle"]"""
            // Dark pictures come out of the body as positive numbers, so that the last layer has something to multiply.
            let fill (spec: Hybrid.TensorSpec) =
                match spec.Key with
                | "input_net.0.weight" -> filled -5f spec
                | key when key.StartsWith "output_net" -> filled 3e38f spec
                | _ -> filled 5f spec

            File.WriteAllBytes(folder.At "a.safetensors", written fill [ "classes", classes ])

            for verb in [ [ "predict"; "red.png" ]; [ "test"; "--data"; "folder:set" ] ] do
                for name in [ "disc"; "square"; "triangle" ] do
                    HandmadePictures.write
                        (folder.At("set", "test", name, "1.png"))
                        (HandmadePictures.plain 20 20 (9uy, 9uy, 9uy))

                    HandmadePictures.write
                        (folder.At("set", "train", name, "1.png"))
                        (HandmadePictures.plain 20 20 (9uy, 9uy, 9uy))

                refuses 1 [ "no " ] folder.Path (verb @ [ "--checkpoint"; "a.safetensors" ])
        }

        test "a dictionary with everything in it is taken by every verb" {
            use folder = new TemporaryFolder()
            let file = Hybrid.Tests.Shared.path [ "golden"; "checkpoints"; "dict_with_everything.pt" ]
            HandmadePictures.write (folder.At "red.png") (HandmadePictures.plain 20 20 (200uy, 10uy, 10uy))
            let network = Executable.words "--model ResNet --hparam num_blocks=1,1 --hparam c_hidden=4,8"
            let run words = Executable.succeed folder.Path (words @ network)
            run [ "summary"; "--checkpoint"; file ] |> ignore
            run [ "export"; "--checkpoint"; file; "--to"; "x.safetensors" ] |> ignore
            run [ "predict"; "--checkpoint"; file; "--data"; "shapes"; "red.png" ] |> ignore
            run [ "test"; "--checkpoint"; file; "--data"; "shapes"; "--limit-test"; "16" ] |> ignore

            let small =
                Executable.words "--max-steps 1 --batch-size 8 --limit-train 8 --limit-val 8 --limit-test 8 --init"

            let same = run ("train" :: small @ [ file ])
            Expect.isFalse ((same.Out + same.Err).Contains "anew") "ten classes there, ten here"
            let trained = Hybrid.Host.Checkpoints.CheckpointFile.Read(folder.At "x.safetensors")
            Expect.equal trained.Tensors[0].Name "input_net.0.weight" "the network's own names"
        }

        test "--weights takes another set of weights, and needs one" {
            use folder = new TemporaryFolder()

            let root =
                Handmade.dictionary [
                    "state_dict", Handmade.dictionary (state 1f id)
                    "state_dict_ema", Handmade.dictionary (state 2f id)
                ]

            File.WriteAllBytes(folder.At "a.pt", archive root)

            let network =
                Executable.words "--model ResNet --hparam num_blocks=1 --hparam c_hidden=2 --hparam num_classes=3"

            let export more target = [ "export"; "--checkpoint"; "a.pt"; "--to"; target ] @ network @ more
            let first = Executable.succeed folder.Path (export [] "first.safetensors")
            Expect.stringContains first.Out "state_dict is taken, --weights state_dict_ema takes the other" "a remark"

            Executable.succeed folder.Path (export [ "--weights"; "state_dict_ema" ] "second.safetensors")
            |> ignore

            for file, value in [ "first", 1f; "second", 2f ] do
                let read = Hybrid.Host.Checkpoints.CheckpointFile.Read(folder.At $"{file}.safetensors")
                Expect.equal (read.Tensors[0].ToFloat32()[0]) value file

            refuses 2 [ "'ema'"; "state_dict_ema" ] folder.Path (export [ "--weights"; "ema" ] "no.pt")
            refuses 2 [ "--init" ] folder.Path [ "train"; "--weights"; "ema" ]
        }
    ]
