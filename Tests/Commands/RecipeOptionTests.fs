/// From the command line to the recipe, without a process.
module Hybrid.Tests.Commands.RecipeOptionTests

open Expecto
open Hybrid
open Hybrid.Command
open Hybrid.Tests.Training.SmallData

let private recipe (line: string) : Result<Recipe, string> =
    match CommandLine.Read(Array.ofList ("train" :: Executable.words line)) with
    | Request.Train train -> Ok(Training.Recipe(train, model "ResNet" []))
    | Request.Wrong message -> Error message
    | other -> failtest $"{line}: {other}"

let private sgd = { Momentum = 0.9; Dampening = 0.0; Nesterov = false; WeightDecay = 1e-4 }

let private adam: Adam = {
    Beta1 = 0.9
    Beta2 = 0.999
    Epsilon = 1e-8
    WeightDecay = 1e-4
    Decoupled = false
}

let private optimizers = [
    "", Optimizer.Sgd sgd
    "--momentum 0.8 --dampening 0.3", Optimizer.Sgd { sgd with Momentum = 0.8; Dampening = 0.3 }
    "--nesterov --weight-decay 0", Optimizer.Sgd { sgd with Nesterov = true; WeightDecay = 0.0 }
    "--optimizer adam --betas 0.8,0.95", Optimizer.Adam { adam with Beta1 = 0.8; Beta2 = 0.95 }
    "--optimizer adamw --eps 1e-6", Optimizer.Adam { adam with Epsilon = 1e-6; Decoupled = true }
    "--optimizer rmsprop --alpha 0.9 --momentum 0.5 --eps 1e-3",
    Optimizer.RmsProp { Alpha = 0.9; Epsilon = 1e-3; Momentum = 0.5; WeightDecay = 1e-4 }
]

let private schedules = [
    "", Schedule.Milestones([ 5; 7 ], 0.1)
    "--epochs 20", Schedule.Milestones([ 12; 17 ], 0.1)
    "--data cifar10", Schedule.Milestones([ 100; 150 ], 0.1)
    "--data cifar10 --epochs 180", Schedule.Milestones([ 100; 150 ], 0.1)
    "--data cifar10 --epochs 200", Schedule.Milestones([ 100; 150 ], 0.1)
    "--data cifar10 --epochs 3", Schedule.Milestones([ 2; 3 ], 0.1)
    "--data cifar100 --epochs 20 --gamma 0.2", Schedule.Milestones([ 12; 17 ], 0.2)
    "--data cifar10 --epochs 3 --milestones 100,150", Schedule.Milestones([ 100; 150 ], 0.1)
    "--schedule milestones --milestones 3,2 --gamma 0.5", Schedule.Milestones([ 2; 3 ], 0.5)
    "--schedule constant", Schedule.Constant
    "--schedule cosine", Schedule.Cosine 0.0
    "--schedule cosine --min-lr 1e-3", Schedule.Cosine 1e-3
    "--schedule one-cycle", Schedule.OneCycle { PctStart = 0.3; DivFactor = 25.0; FinalDivFactor = 1e4 }
    "--schedule one-cycle --pct-start 0.2 --div-factor 10 --final-div-factor 100",
    Schedule.OneCycle { PctStart = 0.2; DivFactor = 10.0; FinalDivFactor = 100.0 }
    "--schedule cosine --warmup-epochs 2", Schedule.WarmUp(2, 1.0 / 3.0, Schedule.Cosine 0.0)
    "--warmup-epochs 1 --warmup-start 0.01", Schedule.WarmUp(1, 0.01, Schedule.Milestones([ 5; 7 ], 0.1))
]

let private others: (string * (Recipe -> bool)) list = [
    "",
    (fun recipe ->
        recipe.Accumulate = 1
        && recipe.Clipping = None
        && recipe.Average = None
        && recipe.Body = BodyTraining.trained)
    "--accumulate 4", (fun recipe -> recipe.Accumulate = 4)
    "--clip-norm 0.5", (fun recipe -> recipe.Clipping = Some(Clipping.Norm 0.5))
    "--clip-value 2", (fun recipe -> recipe.Clipping = Some(Clipping.Value 2.0))
    "--ema 0.99", (fun recipe -> recipe.Average = Some 0.99)
    "--freeze-body --init x.safetensors", (fun recipe -> recipe.Body = BodyTraining.frozen)
    "--freeze-body 3 --body-lr-factor 0.2 --init x.safetensors",
    (fun recipe -> recipe.Body = { FrozenEpochs = 3; RateFactor = 0.2 })
    "--data folder:d --init x.safetensors", (fun recipe -> recipe = Recipe.fineTuning 10)
    "--data folder:d --init x.safetensors --epochs 2 --body-lr-factor 1",
    (fun recipe -> recipe = { Recipe.fineTuning 2 with Body = BodyTraining.trained })
    "--data folder:d --init x.safetensors --freeze-body=2",
    (fun recipe -> recipe.Body = { FrozenEpochs = 2; RateFactor = 0.1 })
    "--epochs=7", (fun recipe -> recipe.Epochs = 7)
    "--lr=1e-3", (fun recipe -> recipe.LearningRate = 1e-3)
    "--lr .5", (fun recipe -> recipe.LearningRate = 0.5)
    "--seed -3", (fun recipe -> recipe.Seed = -3L)
]

/// What does not go together, and what the message must name.
let private wrong = [
    "--schedule cosin", [ "cosin"; "cosine"; "one-cycle" ]
    "--schedule constant --gamma 0.5", [ "--gamma"; "milestones"; "constant" ]
    "--schedule cosine --milestones 3", [ "--milestones"; "cosine" ]
    "--min-lr 0.01", [ "--min-lr"; "cosine"; "milestones" ]
    "--schedule cosine --min-lr 0.2", [ "--min-lr"; "0.2"; "0.1" ]
    "--schedule cosine --min-lr -1", [ "--min-lr"; "-1" ]
    "--schedule cosine --pct-start 0.5", [ "--pct-start"; "one-cycle" ]
    "--schedule one-cycle --pct-start 1.5", [ "--pct-start"; "1.5" ]
    "--schedule one-cycle --div-factor 0", [ "--div-factor"; "above 0" ]
    "--div-factor 3", [ "--div-factor"; "one-cycle" ]
    "--final-div-factor 3", [ "--final-div-factor"; "one-cycle" ]
    "--warmup-start 0.1", [ "--warmup-start"; "--warmup-epochs" ]
    "--warmup-epochs 8", [ "--warmup-epochs"; "8" ]
    "--optimizer adam --momentum 0.5", [ "--momentum"; "sgd"; "rmsprop"; "Adam" ]
    "--optimizer adamw --nesterov", [ "--nesterov"; "AdamW" ]
    "--optimizer rmsprop --dampening 0.1", [ "--dampening"; "RMSprop" ]
    "--betas 0.9,0.99", [ "--betas"; "adam"; "SGD" ]
    "--alpha 0.9", [ "--alpha"; "rmsprop" ]
    "--eps 0.1", [ "--eps"; "SGD" ]
    "--optimizer adam --betas 0.9", [ "--betas"; "0.9,0.999" ]
    "--optimizer adam --betas 0.9,1", [ "--betas"; "below 1" ]
    "--nesterov --momentum 0", [ "--nesterov"; "--momentum" ]
    "--nesterov --dampening 0.1", [ "--nesterov"; "--dampening" ]
    "--ema 1", [ "--ema"; "1"; "0.999999" ]
    "--freeze-body", [ "--freeze-body"; "--init" ]
    "--freeze-body 0 --init x", [ "--freeze-body"; "from 1 on" ]
    "--freeze-body half --init x", [ "--freeze-body"; "half" ]
    "--body-lr-factor 0.1", [ "--body-lr-factor"; "--init" ]
    "--body-lr-factor 0 --init x", [ "--body-lr-factor"; "above 0" ]
    "--accumulate 0", [ "--accumulate"; "0" ]
    "--clip-norm 0", [ "--clip-norm"; "above 0" ]
    "--clip-norm 1 --clip-value 1", [ "--clip-norm"; "--clip-value" ]
    "--dampening 0.1 --momentum 0", [ "--dampening"; "--momentum" ]
    "--lr 1e39", [ "--lr"; "1e39"; "1e30" ]
    "--gamma 1e308", [ "--gamma"; "1e308"; "1e30" ]
    "--gamma 1e30 --milestones 1,2", [ "the learning rate would reach" ]
    "--schedule one-cycle --div-factor 1e-29 --final-div-factor 1e-29", [ "learning rate" ]
    "--threads 10000", [ "--threads"; "10000"; "1024" ]
    "--epochs 99999999999", [ "--epochs"; "99999999999"; "2147483647" ]
    "--epochs 1.5", [ "--epochs"; "1.5"; "whole number" ]
    "--epochs 1e3", [ "--epochs"; "1e3"; "whole number" ]
    "--epochs 1,000", [ "--epochs"; "1,000"; "whole number" ]
    "--data folder:x --image-size 100000", [ "--image-size"; "8192" ]
    "--epochs=", [ "--epochs" ]
]

/// Options that take a number, beside what else they need.
let private numbered = [
    "--lr"
    "--gamma"
    "--clip-norm"
    "--clip-value"
    "--momentum"
    "--dampening"
    "--weight-decay"
    "--ema"
    "--label-smoothing"
    "--schedule cosine --min-lr"
    "--schedule one-cycle --pct-start"
    "--schedule one-cycle --div-factor"
    "--schedule one-cycle --final-div-factor"
    "--warmup-epochs 1 --warmup-start"
    "--optimizer rmsprop --alpha"
    "--optimizer adam --eps"
    "--patience 1 --min-delta"
]

let private remarks (line: string) =
    match CommandLine.Read(Array.ofList ("train" :: Executable.words line)) with
    | Request.Train train ->
        let model = model "ResNet" []

        Training.Remarks(train, model, Training.Recipe(train, model))
    | other -> failtest $"{line}: {other}"

let tests =
    testList "recipe options" [
        test "milestones that move are told" {
            let moved = "the rate falls after epoch 2 instead of after epochs 100 and 150"

            match remarks "--data cifar10 --epochs 3 --warmup-epochs 1" with
            | [| remark |] -> Expect.stringStarts remark moved "where it falls"
            | other -> failtest $"{other}"

            Expect.equal
                (remarks "--data cifar10 --epochs 3 --milestones 2,100,150")
                [| "the rate does not fall after epochs 100 and 150: the run ends after epoch 3" |]
                "milestones that are never reached"

            for line in [ "--data cifar10"; "--data cifar10 --epochs 3 --milestones 1,2"; "--epochs 3" ] do
                Expect.isEmpty (remarks line) line
        }

        for line, expected in optimizers do
            testCase $"optimiser: '{line}'"
            <| fun () -> Expect.equal (recipe line |> Result.map _.Optimizer) (Ok expected) "as asked"

        for line, expected in schedules do
            testCase $"schedule: '{line}'"
            <| fun () -> Expect.equal (recipe line |> Result.map _.Schedule) (Ok expected) "as asked"

        for line, holds in others do
            testCase $"recipe: '{line}'"
            <| fun () -> Expect.isTrue (recipe line |> Result.exists holds) "as asked"

        for option in numbered do
            testCase $"no decimal comma, no separator of thousands, no word: {option}"
            <| fun () ->
                for written in [ "0,1"; "0,05"; "1,0"; "1.000,5"; "1,000"; "0x1"; "1_0"; "nan"; "inf"; "∞"; "1e"; "٣" ] do
                    match recipe $"{option} {written}" with
                    | Ok recipe -> failtest $"{written} taken: {recipe}"
                    | Error message -> Expect.stringContains message written "what was wrong"

                match recipe $"{option} 0,1" with
                | Error message -> Expect.stringContains message "such as 0.1" "what to write"
                | Ok recipe -> failtest $"taken: {recipe}"

        for line, words in wrong do
            testCase $"refused: '{line}'"
            <| fun () ->
                match recipe line with
                | Ok recipe -> failtest $"taken: {recipe}"
                | Error message ->
                    for word in words do
                        Expect.stringContains message word "what was wrong, and what is allowed"
    ]
