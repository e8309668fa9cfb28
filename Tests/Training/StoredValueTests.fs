/// Values that come home: what is written of a network and of a recipe is read back the same.
module Hybrid.Tests.Training.StoredValueTests

open System
open System.Text.Json.Nodes
open Expecto
open FsCheck
open FsCheck.FSharp
open Hybrid
open Hybrid.Combinators
open Hybrid.Tests.Networks.Nets
open Hybrid.Tests.Networks.AnyNets
open Hybrid.Tests.Training.SmallData

let private share = Gen.elements [ 0.0; 0.1; 0.3; 0.9; 1.0 / 3.0; 0.999 ]

let private size = Gen.elements [ 1e-300; 1e-8; 0.1; 1.0 / 3.0; 25.0; 1e4 ]

let private optimizer =
    Gen.oneof [
        gen {
            let! momentum = share
            let! dampening = share
            let! nesterov = coin
            let! decay = share

            return
                Optimizer.Sgd {
                    Momentum = momentum
                    Dampening = dampening
                    Nesterov = nesterov
                    WeightDecay = decay
                }
        }
        gen {
            let! one = share
            let! two = share
            let! epsilon = size
            let! decay = share
            let! decoupled = coin

            return
                Optimizer.Adam {
                    Beta1 = one
                    Beta2 = two
                    Epsilon = epsilon
                    WeightDecay = decay
                    Decoupled = decoupled
                }
        }
        gen {
            let! alpha = share
            let! epsilon = size
            let! momentum = share
            let! decay = share

            return Optimizer.RmsProp { Alpha = alpha; Epsilon = epsilon; Momentum = momentum; WeightDecay = decay }
        }
    ]

let private schedule =
    let main =
        Gen.oneof [
            Gen.constant Schedule.Constant
            Gen.map2 (fun epochs gamma -> Schedule.Milestones(epochs, gamma)) (Gen.listOf (Gen.choose (0, 200))) size
            Gen.map Schedule.Cosine size
            Gen.map3
                (fun start first last ->
                    Schedule.OneCycle { PctStart = start; DivFactor = first; FinalDivFactor = last })
                share
                size
                size
        ]

    Gen.oneof [
        main
        Gen.map3 (fun epochs from main -> Schedule.WarmUp(epochs, from, main)) (Gen.choose (0, 9)) share main
    ]

let private option value = Gen.oneof [ Gen.constant None; Gen.map Some value ]

let private recipes =
    gen {
        let! optimizer = optimizer
        let! schedule = schedule
        let! clipping = option (Gen.oneof [ Gen.map Clipping.Norm size; Gen.map Clipping.Value size ])
        let! average = option share
        let! smoothing = share
        let! rate = size
        let! counts = Gen.listOfLength 4 (Gen.choose (1, 5000))
        let! flags = Gen.listOfLength 3 coin
        let! seed = Gen.elements [ 0L; 42L; -7L; Int64.MaxValue; Int64.MinValue ]
        let! augment = Gen.elements [ []; Augment.tutorial; [ Augmentation.HorizontalFlip 0.25 ] ]

        return {
            Epochs = counts[0]
            MaxSteps = int64 counts[1] * 1_000_000_000L
            BatchSize = counts[2]
            Accumulate = counts[3]
            Objective = Objective.CrossEntropy smoothing
            Optimizer = optimizer
            LearningRate = rate
            Schedule = schedule
            Clipping = clipping
            Average = average
            Body = {
                FrozenEpochs =
                    if flags[0] then
                        counts[1]
                    else
                        BodyTraining.frozen.FrozenEpochs * (counts[2] % 2)
                RateFactor = if flags[1] then 1.0 else rate
            }
            Augment = augment
            Shuffle = flags[1]
            DropLast = flags[2]
            Seed = seed
            LogEvery = counts[0]
        }
    }

let private parsed (text: string) : JsonObject = downcast nonNull (JsonNode.Parse text)

let private written recipe = parsed ((StoredRun.ofRun tiny recipe).ToJsonString())

let private refused name (change: JsonObject -> unit) (expected: string) =
    test name {
        let stored = written recipe
        change stored

        match StoredRecipe.read stored with
        | Ok recipe -> failtest $"%A{recipe}"
        | Error message -> Expect.stringContains message expected "what is wrong"
    }

let private number (value: float) = JsonValue.Create value :> JsonNode

let private inOptimizer (key: string) (value: JsonNode | null) (stored: JsonObject) =
    (nonNull stored["optimizer_hparams"])[key] <- value

let private initialisations = [
    Initialisation.PyTorch
    for fan in [ Fan.In; Fan.Out ] do
        for activation in Activations.all do
            Initialisation.KaimingNormal(fan, activation)
    for convolutions, linear in
        [
            Redraw.Kept, Redraw.Normal 0.01
            Redraw.Kaiming(Fan.Out, Activation.Relu), Redraw.UniformByOutputs
            Redraw.KaimingOfGroup, Redraw.TruncatedNormal 0.02
        ] do
        Initialisation.redrawn convolutions linear

        Initialisation.Redrawn {
            Convolutions = convolutions
            Linear = linear
            ZeroBiases = false
            Others = [ "aux.fc", linear; "conv1", convolutions ]
        }
]

let tests =
    testList "stored values" [
        propertyOf 300 "any recipe comes back the same" (Arb.fromGen recipes) (fun recipe ->
            Expect.equal (StoredRecipe.read (written recipe)) (Ok recipe) "the same")

        for model in Catalogue.names () do
            test $"the published recipe of {model} comes back the same" {
                let model = Catalogue.find model [] |> Result.defaultWith failtest
                let recipe = Recipe.published model
                Expect.equal (StoredRecipe.read (StoredRun.ofRun model recipe)) (Ok recipe) "the same"
            }

        refused "no epochs" (fun it -> it["epochs"] <- number 0.0) "epochs is 0, expected a whole number from 1"
        refused "half an epoch" (fun it -> it["epochs"] <- number 1.5) "epochs is 1.5"
        refused "a missing seed" (fun it -> it.Remove "seed" |> ignore) "seed is missing"
        refused "a rate that is text" (inOptimizer "lr" (JsonValue.Create "0.1")) "lr is \"0.1\", expected a number"
        refused
            "a momentum beyond 1"
            (inOptimizer "momentum" (number 1.5))
            "momentum is 1.5, expected a number from 0 to 1"
        refused
            "another optimiser"
            (fun it -> it["optimizer_name"] <- JsonValue.Create "LBFGS")
            "unknown optimizer_name 'LBFGS'"
        refused
            "a schedule that is a list"
            (fun it -> it["schedule"] <- JsonArray())
            "schedule is [], expected an object"

        propertyOf 200 "any network comes back the same, whatever it is called" anything (fun net ->
            let model = Model.ofNet "my own" 7 net
            let stored = StoredRun.ofModel model
            Expect.equal (StoredModel.restore stored (StoredModel.write model) "" []) (Ok model) "the same")

        for initialisation in initialisations do
            test $"%A{initialisation} comes back" {
                let model = { tiny with Initialisation = initialisation }
                let read = StoredModel.read (StoredModel.write model)
                Expect.equal read (Ok(model.Classes, initialisation, model.Net)) "the same"
            }

        test "a network that is stored wins over what its name stands for today" {
            let old = { model "ResNet" [] with Net = globalAvgPool >>> flatten >>> linear 10 }
            let read = StoredModel.restore (StoredRun.ofModel old) (StoredModel.write old) "" []
            Expect.equal (read |> Result.map _.Net) (Ok old.Net) "the stored one"
        }

        test "hyperparameters of a network that no catalogue knows" {
            let read =
                StoredModel.restore (StoredRun.ofModel tiny) (StoredModel.write tiny) "" [ "num_classes", "3" ]

            Expect.equal
                read
                (Error "the checkpoint holds the network 'Tiny' as it is, which has no hyperparameters to change")
                "refused"
        }

        for what, text, message in
            [
                "no JSON", "{", "no JSON object"
                "a list", "[]", "no JSON object"
                "no net", """{"classes":3,"initialisation":{"name":"pytorch"}}""", "network"
                "no classes", """{"net":"[]","initialisation":{"name":"pytorch"}}""", "number of classes is missing"
                "too many classes",
                """{"net":"[]","classes":30000000,"initialisation":{"name":"pytorch"}}""",
                "classes is 30000000"
                "another draw",
                """{"net":"[]","classes":3,"initialisation":{"name":"zeros"}}""",
                "unknown initialisation"
                "a spread below zero",
                """{"net":"[]","classes":3,"initialisation":{"name":"redrawn","convolutions":{"name":"normal","std":-1},"linear":{"name":"kept"},"zero_biases":true,"others":{}}}""",
                "std is -1"
                "an unknown draw",
                """{"net":"[]","classes":3,"initialisation":{"name":"redrawn","convolutions":{"name":"kept"},"linear":{"name":"ones"},"zero_biases":true,"others":{}}}""",
                "unknown draw"
                "no word on biases",
                """{"net":"[]","classes":3,"initialisation":{"name":"redrawn","convolutions":{"name":"kept"},"linear":{"name":"kept"},"others":{}}}""",
                "zero_biases"
            ] do
            test $"a stored network with {what}" {
                match StoredModel.read text with
                | Ok it -> failtest $"%A{it}"
                | Error error -> Expect.stringContains error message "what is wrong"
            }
    ]
