/// Networks that start from the weights of others, in the forms in which programs keep them.
module Hybrid.Tests.Checkpoints.FineTuningTests

open System
open System.IO
open Expecto
open TorchSharp
open Hybrid
open Hybrid.Combinators
open Hybrid.Host.Checkpoints
open Hybrid.Host.Runtime
open Hybrid.Tests.Checkpoints.Handmade
open Hybrid.Tests.Checkpoints.SmallNetwork

let private planOf classes =
    let hparams = [ "num_blocks", "1"; "c_hidden", "2"; "num_classes", string classes ]
    let model = Catalogue.find "ResNet" hparams |> Result.defaultWith failtest

    Plan.elaborate (Shape.Image(3, 32, 32)) model.Net
    |> Result.defaultWith (fun _ -> failtest "no plan")

let private built plan =
    use generator = new torch.Generator(7UL, torch.CPU)
    TorchModule.create Placement.cpu Initialisation.PyTorch generator plan

let private head = [ for spec in Plan.head (planOf 3) -> spec.Key ]

/// Runs a start from these bytes, and compares every weight of the body with 1 and the last layer with its own draw.
let private started (plan: Plan) isHeadNew (bytes: byte[]) =
    withFile bytes (fun path ->
        use network = built plan
        use fresh = built plan
        let outcome = FineTuning.Start(network, path)
        let keys = [ for spec in Plan.head plan -> spec.Key ]

        for spec in network.Weights.Specs do
            if spec.Role <> Role.NumBatchesTracked then
                let own = network.Weights[spec.Key].data<float32>().ToArray()

                if isHeadNew && List.contains spec.Key keys then
                    Expect.equal own (fresh.Weights[spec.Key].data<float32>().ToArray()) $"{spec.Key}: its first draw"
                else
                    Expect.allEqual own 1f spec.Key

        outcome, [ for line in outcome.Lines "FILE" -> line ])

let private refused (plan: Plan) (words: string list) (bytes: byte[]) =
    withFile bytes (fun path ->
        use network = built plan
        use fresh = built plan

        let message =
            try
                FineTuning.Start(network, path) |> ignore
                failtest "taken"
            with :? WorkException as error ->
                error.Message

        for word in words do
            Expect.stringContains message word "what is said"

        for spec in network.Weights.Specs do
            let same = network.Weights[spec.Key].equal(fresh.Weights[spec.Key])
            Expect.isTrue (same.all().ToBoolean()) $"{spec.Key} is as it was")

let private words = Expect.stringContains

/// What programs store beside the weights.
let private beside = [
    "epoch", Op.int 89L
    "arch", Op.text "resnet"
    "optimizer",
    dictionary [ "state", dictionary [ "momentum", further ]; "param_groups", dictionary [ "lr", Op.int 1L ] ]
    "scaler", dictionary []
    "rng_state", further
]

let private forms =
    testList "forms" [
        for key in
            [
                "state_dict"
                "model_state_dict"
                "model"
                "model_state"
                "net"
                "network"
                "module"
                "state_dict_ema"
                "model_ema"
                "ema"
                "weights"
                "backbone"
            ] do
            for prefix in [ ""; "module."; "_orig_mod."; "module._orig_mod."; "model." ] do
                testCase $"'{prefix}' in '{key}'"
                <| fun () ->
                    let state = key, dictionary (state 1f (fun name -> prefix + name))
                    // The weights stand before or behind what lies beside them.
                    for entries in [ state :: beside; beside @ [ state ] ] do
                        let outcome, lines = started (planOf 3) false (archive (dictionary entries))
                        Expect.isEmpty outcome.Left "nothing is left"
                        Expect.isEmpty lines "nothing to say"

        testCase "one dictionary in another"
        <| fun () ->
            let root =
                dictionary [ "model", dictionary [ "state_dict", dictionary (state 1f id) ]; "epoch", Op.int 1L ]

            started (planOf 3) false (archive root) |> ignore

        for name in [ "pytorch_model.bin"; "model.safetensors"; "resnet18-f37072fd.pth"; "last.ckpt"; "weights" ] do
            testCase $"a file called {name} is told by what is in it"
            <| fun () ->
                let folder = Directory.CreateTempSubdirectory "hybrid-"

                try
                    let path = Path.Combine(folder.FullName, name)

                    if name.EndsWith ".safetensors" then
                        File.WriteAllBytes(path, written (filled 1f) [])
                    else
                        File.WriteAllBytes(path, archive (dictionary (state 1f id)))

                    use network = built (planOf 3)
                    let outcome = FineTuning.Start(network, path)
                    Expect.isEmpty outcome.Anew "all of it"
                    Expect.equal (network.Weights["input_net.0.weight"].data<float32>().[0]) 1f "its weights"
                finally
                    folder.Delete true
    ]

let private lastLayers =
    testList "the last layer" [
        testCase "of other classes starts anew, and it is said"
        <| fun () ->
            let outcome, lines = started (planOf 5) true (archive (dictionary (state 1f id)))
            Expect.equal (List.ofSeq outcome.Anew) head "its keys"
            let text = String.concat "\n" lines
            words text "weights of 'FILE':" "which file"
            words text $"taken     {outcome.Taken} tensors" "how many"
            words text "3 classes in the file, 5 here; the last layer starts anew" "why"
            Expect.isFalse (text.Contains "left out") "nothing is left"

        testCase "that the file lacks starts anew"
        <| fun () ->
            let body = state 1f id |> List.filter (fun (key, _) -> not (List.contains key head))
            let outcome, lines = started (planOf 3) true (archive (dictionary [ "state_dict", dictionary body ]))
            Expect.equal (List.ofSeq outcome.Anew) head "its keys"
            words (String.concat "\n" lines) $"the file has no {head[0]}" "why"

        testCase "of another form starts anew, and what the file has for it is left out"
        <| fun () ->
            let rename (key: string) =
                if List.contains key head then
                    key.Replace("output_net.2", "output_net.2.1")
                else
                    key

            let outcome, lines = started (planOf 3) true (archive (dictionary (state 1f rename)))
            Expect.equal (List.ofSeq outcome.Left) [ for key in head -> rename key ] "left"
            let text = String.concat "\n" lines
            words text "left out  2 tensors not of this network: 'output_net.2.1." "which"
            words text "anew" "said"

        testCase "a file with all of it goes before one without"
        <| fun () ->
            let body = state 2f id |> List.filter (fun (key, _) -> not (List.contains key head))
            let root = dictionary [ "state_dict", dictionary body; "other", dictionary (state 1f id) ]
            let outcome, _ = started (planOf 3) false (archive root)
            Expect.isEmpty outcome.Anew "nothing"

        testCase "alone may be missing"
        <| fun () ->
            for gone in [ "input_net.0.weight"; "input_net.1.running_var"; "blocks.0.net.0.weight" ] do
                let rest = state 1f id |> List.filter (fun (key, _) -> key <> gone)
                refused (planOf 3) [ $"'{gone}' is missing" ] (archive (dictionary rest))

        testCase "a file of which nothing fits is refused"
        <| fun () ->
            refused
                (planOf 3)
                [ "its 2 names"; "another network's" ]
                (archive (dictionary [ "a.x", further; "a.y", further ]))
            // A network that is nothing but its last layer.
            let alone = flatten >>> name "output_net" (name "2" (linear 4))

            let plan =
                Plan.elaborate (Shape.Image(3, 2, 2)) alone |> Result.defaultWith (fun _ -> failtest "no plan")

            refused
                plan
                [ "nothing of it does" ]
                (archive (dictionary (state 1f id |> List.filter (fun (key, _) -> List.contains key head))))
    ]

let private beside' =
    testCase "a short table of what is left out"
    <| fun () ->
        let extra = [ for place in 1..9 -> $"aux.{place}.weight", further ]
        let outcome, lines = started (planOf 3) false (archive (dictionary (state 1f id @ extra)))
        Expect.hasLength outcome.Left 9 "all of them"
        Expect.equal (List.length lines) 3 "a heading and two rows"

        words
            lines[2]
            "left out  9 tensors not of this network: 'aux.1.weight', 'aux.2.weight', 'aux.3.weight' and 6 more"
            "few"

let private denseNames =
    testList "the first dense networks' names" [
        let net =
            name
                "features"
                (chain [
                    name "conv0" (conv 4)
                    name
                        "denseblock1"
                        (name
                            "denselayer1"
                            (concat [
                                identity
                                chain [
                                    name "norm1" batchNorm
                                    name "conv1" (convWith (Conv2d.square 1 4 |> Conv2d.noBias))
                                    name "norm2" batchNorm
                                    name "conv2" (convWith (Conv2d.square 3 2 |> Conv2d.noBias))
                                ]
                            ]))
                    name "norm5" batchNorm
                ])
            >>> globalAvgPool
            >>> flatten
            >>> name "classifier" (linear 3)

        let plan = Plan.elaborate (Shape.Image(3, 8, 8)) net |> Result.defaultWith (fun _ -> failtest "no plan")

        let old (key: string) =
            [ "norm1"; "conv1"; "norm2"; "conv2" ]
            |> List.fold
                (fun (key: string) part -> key.Replace($"denselayer1.{part}", $"denselayer1.{part[..3]}.{part[4..]}"))
                key

        let stored (rename: string -> string) =
            let path = Path.GetTempFileName()

            try
                use network = built plan

                let tensors = [|
                    for tensor in ModuleTensors.Read network do
                        let ones =
                            if tensor.DType = DType.Int64 then
                                tensor.Bytes
                            else
                                ReadOnlyMemory(floats (List.replicate (int tensor.Count) 1f))

                        StoredTensor(rename tensor.Name, tensor.DType, tensor.Shape, ones)
                |]

                PyTorchArchiveWriter.WriteStateDict(path, tensors, null)
                File.ReadAllBytes path
            finally
                File.Delete path

        testCase "are translated"
        <| fun () ->
            Expect.equal
                (old "features.denseblock1.denselayer1.norm1.weight")
                "features.denseblock1.denselayer1.norm.1.weight"
                "as they were"

            for rename in [ id; old; (fun key -> "module." + old key) ] do
                let outcome, lines = started plan false (stored rename)
                Expect.equal outcome.Taken (List.length (Plan.stateTensors plan)) "all of them, counts too"
                Expect.isEmpty lines "nothing is left"

        testCase "are another network's where the network has no such layers"
        <| fun () -> refused (planOf 3) [ "another network's" ] (stored old)
    ]

let tests = testList "fine-tuning" [ forms; lastLayers; beside'; denseNames ]
