module Hybrid.Tests.Training.ScheduleTests

open System.IO
open System.Text.Json.Nodes
open Expecto
open Hybrid
open Hybrid.Tests.Checkpoints.Handmade
open Hybrid.Tests.Training.SmallData

let private rates schedule initial epochs = [ for epoch in epochs -> Schedule.rate schedule initial epoch ]

let tests =
    testList "schedule and recipe" [
        testCase "milestones multiply one after the other, as PyTorch's do"
        <| fun () ->
            let schedule = Schedule.Milestones([ 100; 150 ], 0.1)

            Expect.equal
                (rates schedule 0.1 [ 0; 99; 100; 149; 150; 179 ])
                [
                    0.1
                    0.1
                    0.010000000000000002
                    0.010000000000000002
                    0.0010000000000000002
                    0.0010000000000000002
                ]
                "rates"

        testCase "constant stays"
        <| fun () -> Expect.equal (rates Schedule.Constant 0.3 [ 0; 1000 ]) [ 0.3; 0.3 ] "rates"

        for name in Catalogue.names do
            testCase $"{name}: the rates of the reference run, to the last bit"
            <| fun () ->
                let reference = JsonNode.Parse(File.ReadAllText(shared $"golden/trajectories/{name}.json"))
                let expected = [ for rate in reference["float32"].["step_lr"].AsArray() -> rate.GetValue<float>() ]
                let initial = (Recipe.published (model name [])).LearningRate
                let schedule = Schedule.Milestones([ 2; 3 ], 0.1)

                Expect.equal
                    (rates schedule initial [ for step in 0 .. expected.Length - 1 -> step / 8 ])
                    expected
                    "rates"

        testCase "published recipes"
        <| fun () ->
            for name, optimizer, rate in
                [
                    "GoogleNet", "AdamW", 1e-3
                    "ResNet", "SGD", 0.1
                    "ResNetPreAct", "SGD", 0.1
                    "DenseNet", "AdamW", 1e-3
                ] do
                let recipe = Recipe.published (model name [])
                Expect.equal (Optimizer.name recipe.Optimizer, recipe.LearningRate) (optimizer, rate) name
                Expect.equal recipe.Schedule (Schedule.Milestones([ 100; 150 ], 0.1)) name
                Expect.equal (recipe.Epochs, recipe.BatchSize, recipe.Seed) (180, 128, 42L) name
                Expect.equal recipe.Augment Augment.tutorial name

        testCase "a recipe and its parts are values"
        <| fun () ->
            let a, b = Recipe.published (model "ResNet" []), Recipe.published (model "ResNet" [])
            Expect.equal a b "equal"
            Expect.notEqual a { b with Optimizer = Recipe.adamW } "not equal"
    ]
