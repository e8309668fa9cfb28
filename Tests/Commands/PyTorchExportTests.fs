/// Exported files in PyTorch itself, where the machine has it.
module Hybrid.Tests.Commands.PyTorchExportTests

open System
open System.IO
open System.Text.Json.Nodes
open System.Text.RegularExpressions
open Expecto
open TorchSharp
open Hybrid
open Hybrid.Host.Checkpoints
open Hybrid.Tests
open Hybrid.Tests.Data
open Hybrid.Tests.Modules.Reference

let private at (key: string) (node: JsonNode) = nonNull node[key]

let private item (place: int) (node: JsonNode) = nonNull node[place]

let private floats (node: JsonNode) = [| for it in node.AsArray() -> (nonNull it).GetValue<float>() |]

let private texts (node: JsonNode) = [ for it in node.AsArray() -> (nonNull it).GetValue<string>() ]

/// Exports a checkpoint to code and weights, and asks for its logits of some input by way of both.
let private request (folder: TemporaryFolder) place (checkpoint: string) (x: Tensor) =
    let file ending = folder.At $"{place}.{ending}"

    for ending in [ "py"; "pt"; "ckpt" ] do
        Executable.succeed folder.Path [ "export"; "--checkpoint"; checkpoint; "--to"; file ending ]
        |> ignore

    File.WriteAllBytes(file "input", numbers x |> Array.collect BitConverter.GetBytes)
    let classes = Regex.Matches(File.ReadAllText(file "py"), "(?m)^class (\\w+)\\(")
    let asked = JsonObject()
    asked.Add("code", file "py")
    asked.Add("class", (Seq.last classes).Groups[1].Value)
    asked.Add("dtype", "float32")
    asked.Add("weights", file "pt")
    asked.Add("ckpt", file "ckpt")
    asked.Add("input", file "input")
    asked.Add("shape", JsonArray [| for side in x.shape -> JsonValue.Create side :> JsonNode |])
    asked.Add("state", false)
    asked

let tests =
    testList "export to PyTorch" [
        test "code, state dict and Lightning's checkpoint give the network's logits in PyTorch" {
            use folder = new TemporaryFolder()
            use _ = torch.NewDisposeScope()
            use _ = torch.no_grad ()
            use drawn = generator 3
            let trained = Trained.briefly folder

            let checkpoints = [
                yield folder.At trained
                for name in Catalogue.tutorial do
                    yield Shared.path [ "golden"; "tutorial5"; $"{name}.ckpt" ]
            ]

            let x = random drawn [ 5L; 3L; 32L; 32L ]

            let requests =
                JsonArray [| for place, it in List.indexed checkpoints -> request folder place it x :> JsonNode |]

            match PyTorch.run [ "Tests"; "Describe"; "pytorch_code.py" ] (requests.ToJsonString()) with
            | None -> skiptest "no python3 on the path has PyTorch"
            | Some said ->
                let answers = nonNull (JsonNode.Parse said) |> at "answers"

                for place, checkpoint in List.indexed checkpoints do
                    let answer = answers |> item place
                    Expect.isNull answer["error"] checkpoint
                    let trained = TrainedModel.Read(checkpoint, Requests.Unnamed)
                    use network = trained.Build Placement.cpu
                    let expected = numbers (network.forward (x.``to`` torch.ScalarType.Float32))

                    for way in [ "eval"; "lightning" ] do
                        let difference = difference (answer |> at way |> floats) expected
                        Expect.isLessThanOrEqual difference 1e-5 $"{checkpoint}: {way}"

                    let name = (answer |> at "hyper_parameters" |> item 0).GetValue<string>()
                    Expect.equal name trained.Model.Name "the model's name came by the hyperparameters"

                let constants = answers |> item 0 |> at "constants"
                Expect.contains (texts (item 0 constants)) "disc" "the classes that it was trained on"
                Expect.hasLength (floats (item 1 constants)) 3 "the normalisation"
        }

        test "a network that has no form in PyTorch is refused by name" {
            use folder = new TemporaryFolder()
            let net = Combinators.(>>>) (Combinators.conv 3) (Combinators.name "weight" (Combinators.conv 3))
            let input = Shape.Image(3, 8, 8)
            let model = Model.ofNet "Twice" 10 net
            use drawn = generator 3
            let plan = Networks.Nets.planOf input net
            use network = TorchModule.create Placement.cpu Initialisation.PyTorch drawn plan

            let trained =
                TrainedModel(
                    "x",
                    model,
                    input,
                    ModuleTensors.Read network,
                    JsonObject(),
                    null,
                    Unchecked.defaultof<Normalisation>,
                    null,
                    null,
                    []
                )

            trained.Write(folder.At "x.safetensors")
            let export target = Executable.run folder.Path [ "export"; "--checkpoint"; "x.safetensors"; "--to"; target ]
            let refused = export "x.py"
            Expect.equal refused.ExitCode 2 refused.Err
            Expect.stringContains refused.Err "'weight' is a tensor and a part" "why"
            Expect.isFalse (File.Exists(folder.At "x.py")) "nothing is left"
            Expect.equal (export "x.pt").ExitCode 0 "its weights can be written"
        }
    ]
