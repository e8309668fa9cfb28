module Hybrid.Tests.Training.StoredRunTests

open System.Text.Json.Nodes
open Expecto
open Hybrid
open Hybrid.Tests.Training.SmallData

let private parsed (text: string) =
    match JsonNode.Parse text with
    | :? JsonObject as it -> it
    | _ -> failtest "no object"

/// As the tutorial's checkpoints store them.
let private published = [
    "GoogleNet", """{"model_name":"GoogleNet","model_hparams":{"num_classes":10,"act_fn_name":"relu"}}"""
    "ResNet",
    """{"model_name":"ResNet","model_hparams":{"num_classes":10,"c_hidden":[16,32,64],"num_blocks":[3,3,3],"act_fn_name":"relu"}}"""
    "ResNetPreAct",
    """{"model_name":"ResNet","model_hparams":{"num_classes":10,"c_hidden":[16,32,64],"num_blocks":[3,3,3],"act_fn_name":"relu","block_name":"PreActResNetBlock"}}"""
    "DenseNet",
    """{"model_name":"DenseNet","model_hparams":{"num_classes":10,"num_layers":[6,6,6,6],"bn_size":2,"growth_rate":16,"act_fn_name":"relu"}}"""
]

let tests =
    testList "stored run" [
        for name, text in published do
            testCase $"{name} as the tutorial's checkpoint describes it"
            <| fun () -> Expect.equal (StoredModel.restore (parsed text) null "" []) (Ok(model name [])) "the zoo's"

        for name, overrides in
            [
                "GoogleNet", [ "num_classes", "7" ]
                "ResNet", [ "num_blocks", "1,2"; "c_hidden", "4,8"; "act_fn_name", "gelu" ]
                "ResNetPreAct", []
                "DenseNet", [ "num_layers", "2,3"; "growth_rate", "5"; "act_fn_name", "leakyrelu" ]
            ] do
            testCase $"{name} comes back from its own description"
            <| fun () ->
                let it = model name overrides
                let text (stored: JsonObject) = stored.ToJsonString()

                Expect.equal
                    (StoredModel.restore (parsed (text (StoredRun.ofModel it))) null "" [])
                    (Ok it)
                    "of a model"

                let run = StoredRun.ofRun it (Recipe.published it)
                Expect.equal (StoredModel.restore (parsed (text run)) null "" []) (Ok it) "of a run"

        for schedule, expected in
            [
                Schedule.Constant, """{"name":"constant"}"""
                Schedule.Milestones([ 3; 5 ], 0.5), """{"name":"milestones","milestones":[3,5],"gamma":0.5}"""
                Schedule.Cosine 0.01, """{"name":"cosine","eta_min":0.01}"""
                Schedule.WarmUp(2, 0.5, Schedule.OneCycle Schedule.oneCycle),
                """{"name":"one-cycle","pct_start":0.3,"div_factor":25,"final_div_factor":10000,"warmup_epochs":2,"warmup_start":0.5}"""
            ] do
            testCase $"schedule {expected}"
            <| fun () ->
                let it = model "ResNet" []
                let run = StoredRun.ofRun it { Recipe.published it with Schedule = schedule }
                Expect.isTrue (JsonNode.DeepEquals(run["schedule"], JsonNode.Parse expected)) $"""{run["schedule"]}"""

        testCase "what else decides a run"
        <| fun () ->
            let it = model "ResNet" []

            let stored change =
                let run = StoredRun.ofRun it (change (Recipe.published it))

                [
                    for key in [ "accumulate"; "clip_norm"; "clip_value"; "ema_decay"; "freeze_body" ] do
                        match run[key] with
                        | null -> ()
                        | value -> $"{key}={value.ToJsonString()}"
                ]

            Expect.equal (stored id) [ "accumulate=1"; "freeze_body=false" ] "as published"

            Expect.equal
                (stored (fun recipe -> {
                    recipe with
                        Accumulate = 4
                        Clipping = Some(Clipping.Norm 0.5)
                        Average = Some 0.99
                        Body = BodyTraining.frozen
                }))
                [ "accumulate=4"; "clip_norm=0.5"; "ema_decay=0.99"; "freeze_body=true" ]
                "all of it"

            Expect.contains
                (stored (fun recipe -> { recipe with Clipping = Some(Clipping.Value 2.5) }))
                "clip_value=2.5"
                "the other way to clip"

        testCase "what is asked for wins over what is stored"
        <| fun () ->
            let stored = StoredRun.ofModel (model "ResNet" [])
            let expected = model "ResNet" [ "num_classes", "3" ]
            Expect.equal (StoredModel.restore stored null "" [ "num_classes", "3" ]) (Ok expected) "the override"

        testCase "nothing that names a network"
        <| fun () -> Expect.isError (StoredModel.restore (JsonObject()) null "" []) "an error"
    ]
