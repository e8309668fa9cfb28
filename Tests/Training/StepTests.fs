/// What a step does besides following the gradient of one batch.
module Hybrid.Tests.Training.StepTests

open Expecto
open TorchSharp
open Hybrid
open Hybrid.Combinators
open Hybrid.Tests.Modules.Reference
open Hybrid.Tests.Training.SmallData
open Hybrid.Tests.Training.Runs

let private clipped clipping (gradient: float list) =
    use _ = torch.NewDisposeScope()
    let tensor = torch.tensor (Array.ofList gradient)
    Clipping.apply clipping tensor
    numbers tensor |> List.ofArray

/// torch.nn.utils of PyTorch 1.13:
///
///     p = torch.nn.Parameter(torch.zeros(3, dtype=torch.float64)); p.grad = torch.tensor([3.0, -4.0, 12.0]).double()
///     torch.nn.utils.clip_grad_norm_([p], 2.0)        # or 13.0, or clip_grad_value_([p], 3.5); then p.grad.tolist()
let private clipping =
    testList "clipping" [
        for clipping, expected in
            [
                Clipping.Norm 2.0, [ 0.46153842603550577; -0.615384568047341; 1.846153704142023 ]
                Clipping.Norm 13.0, [ 2.9999997692307874; -3.9999996923077163; 11.99999907692315 ]
                Clipping.Norm 13.1, [ 3.0; -4.0; 12.0 ]
                Clipping.Value 3.5, [ 3.0; -3.5; 3.5 ]
            ] do
            testCase $"{clipping}"
            <| fun () ->
                for found, expected in List.zip (clipped clipping [ 3.0; -4.0; 12.0 ]) expected do
                    Expect.isLessThan (abs (found - expected)) 1e-12 $"{found} for {expected}"
    ]

/// A network in which no image sees another.
let private alone = {
    tiny with
        Net = sequential [ conv 4; relu; globalAvgPool; flatten; linear 10 ]
}

let private double = {
    Placement.cpu with
        DType = torch.ScalarType.Float64
        Layout = Layout.Contiguous
}

let private weightsAfter recipe =
    use network = build double 1 input alone
    use run = new Fit(recipe, network, { feed recipe.BatchSize data with Placement = double }, None)
    let events = List.ofSeq run
    events, numbers network.Weights.Flat

let private accumulating =
    testList "accumulation" [
        testCase "two batches of five are one of ten"
        <| fun () ->
            let _, whole = weightsAfter { recipe with BatchSize = 10 }
            let events, gathered = weightsAfter { recipe with BatchSize = 5; Accumulate = 2; LogEvery = 1 }
            Expect.isLessThan (difference gathered whole) 1e-14 "the same weights"

            Expect.equal
                (List.map told events)
                [
                    "start 2 1 10 0"
                    "epoch 0 at 0 with 0.05"
                    "loss 0 0"
                    "step 0 0 0"
                    "trained 0 0"
                    "end 0 0"
                    $"epoch 1 at 1 with {0.05 * 0.1}"
                    "loss 1 1"
                    "step 1 1 0"
                    "trained 1 1"
                    "end 1 1"
                    "done 2 2"
                ]
                "steps are those of the optimiser"

            let wholeLosses = fst (weightsAfter { recipe with BatchSize = 10; LogEvery = 1 }) |> losses

            for found, expected in List.zip (losses events) wholeLosses do
                Expect.floatClose Accuracy.veryHigh found expected "the loss of a step is the mean over its images"

        testCase "the last step of an epoch takes what is left, at its own mean"
        <| fun () ->
            // Batches of 4, 4 and 2 images: a step from the first two, then one from the third alone.
            let recipe = { recipe with Epochs = 1; Accumulate = 2 }
            let _, found = weightsAfter recipe
            use _ = torch.NewDisposeScope()
            use network = build double 1 input alone

            let batches =
                Batch.epoch { feed 4 data with Placement = double } recipe.Seed false false 0 0 |> List.ofSeq

            Expect.equal (batches |> List.map _.Count) [ 4; 4; 2 ] "batches"
            let state, _ = Loop.step recipe network (Loop.start recipe network 2) batches[0..1]
            let state, _ = Loop.step recipe network state batches[2..2]
            Expect.equal (state.Step, state.Optimizer.Steps) (2L, 2L) "steps"
            Expect.equal (numbers network.Weights.Flat) found "the same weights"

        testCase "a limit of steps counts the optimiser's"
        <| fun () ->
            let events, _ = weightsAfter { recipe with Accumulate = 2; MaxSteps = 3L; Epochs = 9 }
            Expect.equal (told (List.last events)) "done 2 3" "three steps of two batches each, in two epochs"
    ]

let private averaging =
    testList "moving average" [
        testCase "keeps its share of itself after each step, statistics included, and changes nothing of the training"
        <| fun () ->
            use _ = torch.NewDisposeScope()
            let recipe = { recipe with LogEvery = 1 }
            let validation = Some(feed 4 others)
            let plainly, network = fit recipe validation
            use _ = network
            use averaged = build Placement.cpu 1 input tiny
            use run = new Fit({ recipe with Average = Some 0.75 }, averaged, feed 4 data, validation)
            let mutable expected: (string * float array) list = []
            let state () = [ for spec in averaged.Weights.Specs -> spec.Key, numbers averaged.Weights[spec.Key] ]

            for event in run do
                match event with
                | TrainingEvent.StepEnded(_, step, _, _) ->
                    expected <-
                        if step = 0L then
                            state ()
                        else
                            [
                                for (key, now), (_, before) in List.zip (state ()) expected ->
                                    key,
                                    if key.EndsWith "num_batches_tracked" then
                                        now
                                    else
                                        (before, now) ||> Array.map2 (fun a b -> 0.75 * a + 0.25 * b)
                            ]

                    for key, expected in expected do
                        Expect.isLessThan (difference (numbers run.Network.Weights[key]) expected) 1e-5 $"{key}, {step}"
                | TrainingEvent.EpochValidated(_, _, loss, _) ->
                    let shown = Loop.evaluate recipe.Objective run.Network (feed 4 others)
                    let trained = Loop.evaluate recipe.Objective averaged (feed 4 others)
                    Expect.equal loss shown.Loss "the average is validated"
                    Expect.notEqual loss trained.Loss "and not what is trained"
                | _ -> ()

            Expect.equal (bitsOf averaged) (bitsOf network) "the weights of a run without"
            Expect.isNonEmpty (losses plainly) "it ran"
    ]

let private isHead (key: string) = key.StartsWith "net.6."

let private freezing =
    testList "frozen body" [
        for optimizer in [ Recipe.sgd; Recipe.adamW; Recipe.adam; Recipe.rmsProp ] do
            testCase $"{Optimizer.name optimizer} changes the last layer, and no bit of the rest"
            <| fun () ->
                use network = build Placement.cpu 1 input tiny
                let before = bitsOf network

                let recipe = {
                    recipe with
                        Optimizer = optimizer
                        LearningRate = 0.01
                        Body = BodyTraining.frozen
                        Average = Some 0.5
                        LogEvery = 1
                }

                use run = new Fit(recipe, network, feed 4 data, Some(feed 4 others))
                Seq.iter ignore run

                for after in [ network; run.Network ] do
                    for (key, before), (_, after) in List.zip before (bitsOf after) do
                        if isHead key then
                            Expect.notEqual after before $"{key} is trained"
                        else
                            Expect.equal after before $"{key} is frozen"

                for struct (key, view) in run.OptimizerTensors do
                    use _ = view

                    if not (key.StartsWith "weights.") then
                        Expect.isTrue (key.Contains ".net.6.") $"{key}: of frozen weights nothing is remembered"

        testCase "a body that is frozen for an epoch is trained from the next one on"
        <| fun () ->
            use network = build Placement.cpu 1 input tiny
            let before = bitsOf network
            let body = { FrozenEpochs = 1; RateFactor = 0.5 }
            use run = new Fit({ recipe with Optimizer = Recipe.adamW; Body = body }, network, feed 4 data, None)

            let keys (run: Fit) =
                set [
                    for struct (key, view) in run.OptimizerTensors do
                        view.Dispose()
                        key
                ]

            let counts () = (numbers network.Weights["net.1.num_batches_tracked"])[0]

            for event in run do
                match event with
                | TrainingEvent.EpochTrained(0, _, _, _) ->
                    Expect.isTrue (keys run |> Set.forall _.Contains(".net.6.")) "nothing is remembered of the body"

                    for (key, before), (_, after) in List.zip before (bitsOf network) do
                        Expect.equal (after <> before) (isHead key) $"{key} in the first epoch"
                | TrainingEvent.EpochEnded(0, _) ->
                    // A run that is saved now and taken up again asks for the same tensors.
                    use other = build Placement.cpu 1 input tiny
                    use again = new Fit(run.Recipe, other, feed 4 data, None, run.Position)
                    Expect.equal (keys again) (keys run) "what is remembered at the turn of the epoch"
                    Expect.isFalse (keys run |> Set.forall _.Contains(".net.6.")) "the body's part too"
                | _ -> ()

            for (key, before), (_, after) in List.zip before (bitsOf network) do
                Expect.notEqual after before $"{key} in the second epoch"

            Expect.equal (counts ()) (float (run.StepsPerEpoch * (recipe.Epochs - 1))) "batches of the second epoch"

        for optimizer in [ Recipe.sgd; Recipe.adamW; Recipe.adam; Recipe.rmsProp ] do
            testCase $"{Optimizer.name optimizer} trains the body at its share of the rate, on the way up as well"
            <| fun () ->
                let after factor rate =
                    use network = build double 1 input alone

                    let recipe = {
                        recipe with
                            Optimizer = optimizer
                            LearningRate = rate
                            Schedule = Schedule.WarmUp(1, 0.5, Schedule.Constant)
                            Body = { BodyTraining.trained with RateFactor = factor }
                            MaxSteps = 1L
                    }

                    use run = new Fit(recipe, network, { feed 4 data with Placement = double }, None)
                    Seq.iter ignore run
                    Plan.head network.Plan |> List.map _.Key |> set, Map.ofList (bitsOf network)

                let head, own = after 0.25 0.04
                let (_, whole), (_, slow) = after 1.0 0.04, after 1.0 0.01

                for KeyValue(key, bits) in own do
                    Expect.equal bits (if head.Contains key then whole[key] else slow[key]) $"{key} after one step"

        testCase "a body that was frozen is trained in a run that does not freeze it"
        <| fun () ->
            let trained freezeFirst =
                use network = build Placement.cpu 1 input tiny

                if freezeFirst then
                    Loop.start { recipe with Body = BodyTraining.frozen } network 3 |> ignore

                use run = new Fit(recipe, network, feed 4 data, None)
                Seq.iter ignore run
                bitsOf network

            Expect.equal (trained true) (trained false) "the same weights"

        testCase "a network without a last linear layer has no head to train"
        <| fun () ->
            use network =
                build Placement.cpu 1 input { tiny with Net = sequential [ conv 4; globalAvgPool; flatten ] }

            Expect.throwsT<System.ArgumentException>
                (fun () -> Loop.start { recipe with Body = BodyTraining.frozen } network 3 |> ignore)
                "refused"
    ]

/// A network that leaves out numbers and examples at random.
let private noisy = {
    tiny with
        Net =
            sequential [
                conv 4
                relu
                residual (name "body" (conv 4 >>> stochasticDepth 0.5))
                globalAvgPool
                flatten
                dropout 0.4
                linear 10
            ]
}

let private noise =
    testList "layers that are random in training" [
        // In float64 by autograd and in float32 by the way back of its own.
        for placement in [ double; Placement.cpu ] do
            let images = { feed 5 data with Placement = placement }
            let recipe = { recipe with BatchSize = 5; Accumulate = 2 }

            let batches epoch = Batch.epoch images recipe.Seed false false epoch 0 |> List.ofSeq

            let stepped seed epoch (state: TrainingState -> TrainingState) =
                use _ = torch.NewDisposeScope()
                use network = build placement 1 input noisy
                let start = Loop.start recipe network 2
                let next, _ = Loop.step { recipe with Seed = seed } network (state start) (batches epoch)
                (next :> System.IDisposable).Dispose()
                numbers network.Weights.Flat

            test $"numbers follow from the step's place in the run, {placement.DType}" {
                let once = stepped 1L 0 id
                // Whatever libtorch's own generator is at.
                torch.rand(7L).Dispose()
                Expect.equal (stepped 1L 0 id) once "the same again"
                Expect.notEqual (stepped 1L 0 (fun state -> { state with Batch = 1 })) once "another step"
                Expect.notEqual (stepped 1L 0 (fun state -> { state with Epoch = 1 })) once "another epoch"
                Expect.notEqual (stepped 2L 0 id) once "another seed"
            }

            test $"evaluation draws nothing, {placement.DType}" {
                use _ = torch.NewDisposeScope()
                use network = build placement 1 input noisy
                network.eval ()
                let x = (List.head (batches 0)).Images
                Expect.equal (numbers (network.forward x)) (numbers (network.forward x)) "the same numbers"
            }

        test "what is left grows so that the mean stays, and examples go whole" {
            use _ = torch.NewDisposeScope()
            use draws = generator 3
            let plan = Hybrid.Tests.Networks.Nets.planOf (Shape.Image(2, 3, 3)) (stochasticDepth 0.25)
            use network = new TorchModule(new Weights(plan, double))
            network.train true
            let out = (network.pass (torch.ones ([| 4000L; 2L; 3L; 3L |], dtype = float64), draws)).Output
            let means = numbers (out.mean [| 1L; 2L; 3L |])

            Expect.equal
                (means |> Array.map (fun it -> System.Math.Round(it, 9)) |> set)
                (set [ 0.0; 1.333333333 ])
                "all or nothing"

            Expect.isLessThan (abs (Array.average means - 1.0)) 0.03 "the mean"
        }
    ]

let tests = testList "step" [ clipping; accumulating; averaging; freezing; noise ]
