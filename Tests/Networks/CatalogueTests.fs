module Hybrid.Tests.Networks.CatalogueTests

open System.IO
open System.Text.Json.Nodes
open Expecto
open FsCheck.FSharp
open Hybrid
open Hybrid.Tests.Checkpoints.Handmade
open Hybrid.Tests.Networks.Nets

let private image = Shape.Image(3, 32, 32)

let private find name overrides =
    match Catalogue.find name overrides with
    | Ok model -> model
    | Error message -> failtest message

let private published = [ "GoogleNet", 260_650L; "ResNet", 272_378L; "ResNetPreAct", 272_250L; "DenseNet", 239_146L ]

/// As torchvision and timm publish them, for 1,000 classes.
let private counts = [
    "resnet18", 11_689_512L
    "resnet34", 21_797_672L
    "resnet50", 25_557_032L
    "resnet101", 44_549_160L
    "resnet152", 60_192_808L
    "resnext50_32x4d", 25_028_904L
    "resnext101_32x8d", 88_791_336L
    "resnext101_64x4d", 83_455_272L
    "wide_resnet50_2", 68_883_240L
    "wide_resnet101_2", 126_886_696L
    "resnetv2_18", 11_687_720L
    "resnetv2_34", 21_795_880L
    "resnetv2_50", 25_549_352L
    "resnetv2_101", 44_541_480L
    "resnetv2_152", 60_185_128L
    "densenet121", 7_978_856L
    "densenet161", 28_681_000L
    "densenet169", 14_149_480L
    "densenet201", 20_013_928L
    "mobilenet_v2", 3_504_872L
    "mobilenet_v3_small", 2_542_856L
    "mobilenet_v3_large", 5_483_032L
    "efficientnet_b0", 5_288_548L
    "efficientnet_b1", 7_794_184L
    "efficientnet_b2", 9_109_994L
    "efficientnet_b3", 12_233_232L
    "efficientnet_b4", 19_341_616L
    "efficientnet_b5", 30_389_784L
    "efficientnet_b6", 43_040_704L
    "efficientnet_b7", 66_347_960L
    "tf_efficientnet_lite0", 4_652_008L
    "tf_efficientnet_lite1", 5_416_680L
    "tf_efficientnet_lite2", 6_092_072L
    "tf_efficientnet_lite3", 8_197_096L
    "tf_efficientnet_lite4", 13_006_568L
    "convnext_tiny", 28_589_128L
    "convnext_small", 50_223_688L
    "convnext_base", 88_591_464L
    "convnext_large", 197_767_336L
]

let private refused name model overrides expected =
    testCase name
    <| fun () -> Expect.equal (Catalogue.find model overrides |> Result.map _.Name) (Error expected) "the message"

/// Overrides of a model that are in order, as text.
let private overrides model =
    let sizes low high count = Gen.listOfLength count (Gen.choose (low, high))
    let text = List.map string >> String.concat ","
    let act = Activations.named |> List.map fst |> Gen.elements |> Gen.map (fun name -> "act_fn_name", name)
    let classes = Gen.choose (1, 100) |> Gen.map (fun count -> "num_classes", string count)

    let own =
        match model with
        | "GoogleNet" -> Gen.constant []
        | "DenseNet" ->
            gen {
                let! layers = Gen.choose (1, 4) |> Gen.bind (sizes 1 4)
                let! growth = Gen.choose (1, 16)
                let! bottleneck = Gen.choose (1, 3)

                return [ "num_layers", text layers; "growth_rate", string growth; "bn_size", string bottleneck ]
            }
        | _ ->
            gen {
                let! groups = Gen.choose (1, 4)
                let! blocks = sizes 1 3 groups
                let! channels = sizes 1 20 groups
                let! block = Gen.elements [ "ResNetBlock"; "PreActResNetBlock" ]
                return [ "num_blocks", text blocks; "c_hidden", text channels; "block_name", block ]
            }

    gen {
        let! own = own
        let! act = act
        let! classes = classes
        let! given = Gen.subListOf (act :: classes :: own)
        // As many blocks as channels: one is not given without the other.
        let together = [ "num_blocks"; "c_hidden" ]
        let apart = given |> List.filter (fun (key, _) -> not (List.contains key together))
        let both = own |> List.filter (fun (key, _) -> List.contains key together)
        return apart @ both
    }

let private models =
    Arb.fromGen (
        gen {
            let! model = Gen.elements (Catalogue.tutorial)
            let! overrides = overrides model
            return model, overrides
        }
    )

let tests =
    testList "catalogue" [
        for name, parameters in published do
            testCase $"{name} has the published number of parameters"
            <| fun () -> Expect.equal (Plan.parameterCount (planOf image (find name []).Net)) parameters "parameters"

            testCase $"{name} has the published keys, in their order"
            <| fun () ->
                let reference = JsonNode.Parse(File.ReadAllText(shared $"golden/trajectories/{name}.json"))
                let expected = [ for key in reference["state_keys"].AsArray() -> key.GetValue<string>() ]
                let keys = Plan.stateTensors (planOf image (find name []).Net) |> List.map _.Key
                Expect.equal keys expected "keys"

        testCase "the four networks, in the tutorial's order"
        <| fun () -> Expect.equal (Catalogue.tutorial) (List.map fst published) "names"

        testCase "case does not count"
        <| fun () ->
            let model = find "rEsNeTpReAcT" [ "act_fn_name", "GELU"; "block_name", "preactresnetblock" ]
            Expect.equal model (find "ResNetPreAct" [ "act_fn_name", "gelu" ]) "one model"

        testCase "the block's name decides which residual network it is"
        <| fun () ->
            let model = find "ResNet" [ "block_name", "PreActResNetBlock" ]
            Expect.equal model (find "ResNetPreAct" []) "the second form"

        testCase "hyperparameters as published"
        <| fun () ->
            let shown name = (find name []).Hparams |> List.map (fun (key, value) -> key, string value)

            Expect.equal
                (List.map shown (Catalogue.tutorial))
                [
                    [ "num_classes", "10"; "act_fn_name", "relu" ]
                    [
                        "num_classes", "10"
                        "num_blocks", "3,3,3"
                        "c_hidden", "16,32,64"
                        "act_fn_name", "relu"
                        "block_name", "ResNetBlock"
                    ]
                    [
                        "num_classes", "10"
                        "num_blocks", "3,3,3"
                        "c_hidden", "16,32,64"
                        "act_fn_name", "relu"
                        "block_name", "PreActResNetBlock"
                    ]
                    [
                        "num_classes", "10"
                        "num_layers", "6,6,6,6"
                        "bn_size", "2"
                        "growth_rate", "16"
                        "act_fn_name", "relu"
                    ]
                ]
                "hyperparameters"

        propertyOf 100 "hyperparameters survive as text" models (fun (name, overrides) ->
            let model = find name overrides
            let text = model.Hparams |> List.map (fun (key, value) -> key, string value)
            Expect.equal (find model.Name text) model "the same model"

            Expect.equal
                (Map.ofList text |> Map.filter (fun key _ -> Map.containsKey key (Map.ofList overrides)))
                (Map.ofList overrides)
                "what was given is kept")

        propertyOf 100 "every model works on images of 32×32 and gives its classes" models (fun (name, overrides) ->
            let model = find name overrides
            Expect.equal (planOf image model.Net).Out (Shape.Features model.Classes) "output")

        // Where a size is part of a name, another letter is another network.
        for given, meant in
            [
                "RestNet", [ "ResNet" ]
                "VGG", []
                "resnet51", []
                "resnet_50", [ "resnet50" ]
                "ResNet-50", [ "resnet50" ]
                "resmet50", [ "resnet50" ]
                "rsnet50", [ "resnet50" ]
                "xresnet50", []
                "resnest50", []
                "seresnet50", []
                "resnet50d", []
                "resnext50", [ "resnext50_32x4d" ]
                "resnext101", [ "resnext101_32x8d"; "resnext101_64x4d" ]
                "wide-resnet50", [ "wide_resnet50_2" ]
            ] do
            testCase $"what may be meant by {given}"
            <| fun () ->
                let hint =
                    if meant.IsEmpty then
                        ";"
                    else
                        "; did you mean " + String.concat " or " meant + "?"

                let all = String.concat ", " (Catalogue.names ())

                Expect.equal
                    (Catalogue.find given [] |> Result.map _.Name)
                    (Error $"unknown model '{given}'{hint} allowed: {all}")
                    "the message"

        for name, parameters in counts do
            testCase $"{name} has as many parameters as are published"
            <| fun () ->
                let model = find name []
                Expect.equal (Plan.parameterCount (planOf model.Input model.Net)) parameters "parameters"
                Expect.equal model.Name name "its name"
                Expect.equal model.Classes 1000 "classes"
                let few = find name [ "num_classes", "7" ]
                Expect.equal (planOf few.Input few.Net).Out (Shape.Features 7) "outputs"

        testCase "the last layer of a network is its head, a linear one or a convolution of a single pixel"
        <| fun () ->
            let head name =
                let model = find name []
                Plan.head (planOf model.Input model.Net) |> List.map _.Key

            Expect.equal (head "resnet18") [ "fc.weight"; "fc.bias" ] "linear"
            Expect.equal (head "resnetv2_18") [ "head.fc.weight"; "head.fc.bias" ] "a convolution"

        testCase "every model works at its own input, and its recipe is one"
        <| fun () ->
            for name in Catalogue.names () do
                let model = find name []
                Expect.equal (planOf model.Input model.Net).Out (Shape.Features model.Classes) name
                Expect.isGreaterThan (Recipe.published model).LearningRate 0.0 name
        refused
            "an unknown hyperparameter"
            "ResNet"
            [ "num_block", "3" ]
            "unknown hyperparameter of ResNet 'num_block'; did you mean num_blocks? allowed: num_classes, num_blocks, c_hidden, act_fn_name, block_name"
        refused
            "another model's hyperparameter"
            "GoogleNet"
            [ "growth_rate", "3" ]
            "unknown hyperparameter of GoogleNet 'growth_rate'; allowed: num_classes, act_fn_name"
        refused
            "an unknown activation"
            "DenseNet"
            [ "act_fn_name", "rellu" ]
            "unknown act_fn_name 'rellu'; did you mean relu? allowed: tanh, relu, leakyrelu, gelu, silu, sigmoid, hardswish, hardsigmoid, relu6"
        refused
            "no number"
            "ResNet"
            [ "num_classes", "ten" ]
            "hyperparameter num_classes is 'ten', expected a whole number"
        refused
            "too small a number"
            "ResNet"
            [ "num_classes", "0" ]
            "hyperparameter num_classes is 0, expected a whole number of at least 1"
        refused
            "more classes than any network tells apart"
            "GoogleNet"
            [ "num_classes", "30000000" ]
            "hyperparameter num_classes is 30000000, expected a whole number of at most 1000000"
        refused
            "more blocks than any network has"
            "ResNet"
            [ "num_blocks", "400,400,400" ]
            "hyperparameter num_blocks comes to 1200, expected at most 1000 in all groups together"
        refused
            "more channels than any network has"
            "ResNet"
            [ "c_hidden", "16,32,2147483647" ]
            "hyperparameter c_hidden has 2147483647, expected whole numbers of at most 65536"
        refused
            "more growth than any network has"
            "DenseNet"
            [ "growth_rate", "2000000000" ]
            "hyperparameter growth_rate is 2000000000, expected a whole number of at most 4096"

        testCase "a network of more numbers than a checkpoint holds, and an input that is too large"
        <| fun () ->
            let errors input net =
                match Plan.elaborate input net with
                | Ok _ -> failtest "planned"
                | Error errors -> List.map string errors

            let wide = find "ResNet" [ "num_blocks", "1"; "c_hidden", "14000" ]

            Expect.stringContains
                (errors image wide.Net |> List.exactlyOne)
                "numbers in all tensors, expected at most 536870912"
                "the network"

            Expect.equal
                (errors (Shape.Image(3, 20_000, 20_000)) (find "ResNet" []).Net)
                [ "Input: got 1200000000 numbers in one example, expected at most 33554432" ]
                "the input"

        refused
            "no numbers"
            "ResNet"
            [ "c_hidden", "16;32" ]
            "hyperparameter c_hidden is '16;32', expected whole numbers separated by commas, such as 16,32,64"
        refused
            "an empty list"
            "DenseNet"
            [ "num_layers", "," ]
            "hyperparameter num_layers is ',', expected whole numbers separated by commas, such as 16,32,64"
        refused
            "too small a number in a list"
            "DenseNet"
            [ "num_layers", "6,0" ]
            "hyperparameter num_layers is 6,0, expected whole numbers of at least 1"
        refused
            "lists of different length"
            "ResNet"
            [ "c_hidden", "16,32" ]
            "num_blocks and c_hidden have 3 and 2 values, expected as many of one as of the other"

        testCase "an image that is too small is refused with the place"
        <| fun () ->
            match Plan.elaborate (Shape.Image(3, 4, 4)) (find "DenseNet" []).Net with
            | Ok _ -> failtest "there is nothing left of the map"
            | Error errors ->
                Expect.equal
                    (List.map string errors)
                    [
                        "blocks.5.transition.3 (AvgPool2d): got maps of 88×1×1, expected at least 2×2 for a 2×2 window with padding 0"
                    ]
                    "errors"
    ]
