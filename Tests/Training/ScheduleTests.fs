module Hybrid.Tests.Training.ScheduleTests

open System.IO
open System.Text.Json.Nodes
open Expecto
open Hybrid
open Hybrid.Tests.Checkpoints.Handmade
open Hybrid.Tests.Training.SmallData

/// Rates at some steps of a run.
let private rates schedule initial stepsPerEpoch epochs steps = [
    for step in steps ->
        Schedule.rate schedule initial {
            Step = step
            StepsPerEpoch = stepsPerEpoch
            Steps = int64 (stepsPerEpoch * epochs)
        }
]

/// What PyTorch 1.13's schedulers gave: a rate, an epoch's steps, the epochs, and rates by step.
///
///     def rates(make, lr, steps, every):      # every: steps between two of the scheduler
///         o = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr); m = make(o); found = []
///         for step in range(steps):
///             found.append(o.param_groups[0]["lr"]); o.step()
///             if (step + 1) % every == 0 and step + 1 < steps: m.step()
///         return found
let private golden = [
    // CosineAnnealingLR(o, 180, 1e-4), every 4
    "cosine",
    Schedule.Cosine 1e-4,
    (0.1, 4, 180),
    [
        0, 0.1
        3, 0.1
        4, 0.09999239237306175
        240, 0.07502499999999995
        363, 0.05004999999999997
        719, 0.00010760762693825609
    ]
    // OneCycleLR(o, 0.1, total_steps=2000, cycle_momentum=False), every 1
    "one cycle",
    Schedule.OneCycle Schedule.oneCycle,
    (0.1, 20, 100),
    [
        0, 0.0040000000000000036
        1, 0.004000660170854195
        300, 0.05212587335103477
        599, 0.1
        600, 0.09999987411274514
        1300, 0.04988800080533421
        1999, 4e-07
    ]
    // OneCycleLR(o, 0.02, total_steps=37, pct_start=0.25, div_factor=10, final_div_factor=100, cycle_momentum=False)
    "one short cycle",
    Schedule.OneCycle { PctStart = 0.25; DivFactor = 10.0; FinalDivFactor = 100.0 },
    (0.02, 37, 1),
    [
        0, 0.0019999999999999983
        5, 0.013943611669856793
        8, 0.019959247303157762
        9, 0.01996401091053984
        20, 0.012390203328317417
        36, 2e-05
    ]
    // SequentialLR(o, [LinearLR(o, 0.25, total_iters=100), OneCycleLR(o, 0.1, total_steps=1900, cycle_momentum=False)],
    // [100]), every 1
    "warm-up and one cycle",
    Schedule.WarmUp(5, 0.25, Schedule.OneCycle Schedule.oneCycle),
    (0.1, 20, 100),
    [
        0, 0.001
        50, 0.0024999999999999996
        99, 0.003969999999999997
        100, 0.0040000000000000036
        101, 0.004000731619632672
        700, 0.0998660125691481
        1999, 4e-07
    ]
    // LinearLR(o, 1 / 3, total_iters=35), every 1; from step 35 on CosineAnnealingLR(o, 25, 1e-3), every 7
    "warm-up and cosine",
    Schedule.WarmUp(5, 1.0 / 3.0, Schedule.Cosine 1e-3),
    (0.1, 7, 30),
    [
        0, 0.03333333333333333
        1, 0.035238095238095235
        20, 0.07142857142857148
        34, 0.09809523809523814
        35, 0.1
        42, 0.09960967771506667
        100, 0.0715760749324711
        209, 0.0013903222849333506
    ]
    // LinearLR(o, 0.01, total_iters=35), every 1; from step 35 on MultiStepLR(o, [13, 20], 0.1), every 7: epochs 18 and 25
    "warm-up and milestones",
    Schedule.WarmUp(5, 0.01, Schedule.Milestones([ 18; 25 ], 0.1)),
    (0.1, 7, 30),
    [
        0, 0.001
        1, 0.0038285714285714286
        34, 0.09717142857142859
        35, 0.1
        125, 0.1
        126, 0.010000000000000002
        174, 0.010000000000000002
        175, 0.0010000000000000002
        209, 0.0010000000000000002
    ]
]

let tests =
    testList "schedule and recipe" [
        testCase "milestones multiply one after the other, as PyTorch's do"
        <| fun () ->
            let schedule = Schedule.Milestones([ 100; 150 ], 0.1)

            Expect.equal
                (rates schedule 0.1 1 180 [ 0L; 99L; 100L; 149L; 150L; 179L ])
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
        <| fun () -> Expect.equal (rates Schedule.Constant 0.3 1 2000 [ 0L; 1000L ]) [ 0.3; 0.3 ] "rates"

        for name, schedule, (initial, stepsPerEpoch, epochs), expected in golden do
            testCase $"{name}: PyTorch's rates"
            <| fun () ->
                let found = rates schedule initial stepsPerEpoch epochs (List.map (fst >> int64) expected)

                for (step, expected), found in List.zip expected found do
                    Expect.isLessThan (abs (found - expected)) 1e-12 $"step {step}: {found} for {expected}"

        testCase "every schedule gives a rate above 0 in runs of any length"
        <| fun () ->
            let cycles = [
                for share in [ 0.0; 0.1; 0.5; 1.0 ] -> Schedule.OneCycle { Schedule.oneCycle with PctStart = share }
            ]

            for main in Schedule.Cosine 0.01 :: Schedule.Milestones([ 1 ], 0.1) :: cycles do
                for schedule in [ main; Schedule.WarmUp(2, 0.5, main) ] do
                    for steps in 1L .. 20L do
                        for step in 0L .. steps - 1L do
                            let rate = Schedule.rate schedule 0.1 { Step = step; StepsPerEpoch = 3; Steps = steps }
                            Expect.isTrue (rate > 0.0 && rate <= 0.1 + 1e-12) $"{schedule}, {step} of {steps}: {rate}"

        for name in Catalogue.tutorial do
            testCase $"{name}: the rates of the reference run, to the last bit"
            <| fun () ->
                let reference = JsonNode.Parse(File.ReadAllText(shared $"golden/trajectories/{name}.json"))
                let expected = [ for rate in reference["float32"].["step_lr"].AsArray() -> rate.GetValue<float>() ]
                let initial = (Recipe.published (model name [])).LearningRate
                let schedule = Schedule.Milestones([ 2; 3 ], 0.1)

                let found = rates schedule initial 8 4 [ for step in 0 .. expected.Length - 1 -> int64 step ]
                Expect.equal found expected "rates"

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
