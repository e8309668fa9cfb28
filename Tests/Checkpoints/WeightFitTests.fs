/// Weights under other programs' names, beside other tensors, and several sets of them in one file.
module Hybrid.Tests.Checkpoints.WeightFitTests

open System
open Expecto
open Hybrid
open Hybrid.Host.Runtime
open Hybrid.Tests.Checkpoints.Handmade
open Hybrid.Tests.Checkpoints.SmallNetwork

let private ignored = ignore<string>
let private keys = lazy [ for spec in specs.Value -> spec.Key ]

let private fits name (root: unit -> byte[]) =
    testCase name
    <| fun () ->
        let trained = readAs "" (archive (root ())) ignored
        Expect.equal [ for tensor in trained.Tensors -> tensor.Name ] keys.Value "the network's names"
        Expect.equal (valueOf trained) 1f "the weights"

let private refuses name (words: string list) (root: unit -> byte[]) =
    testCase name
    <| fun () ->
        try
            readAs "" (archive (root ())) ignored |> ignore
            failtest "read"
        with :? WorkException as error ->
            for word in words do
                Expect.stringContains error.Message word "what is said"

            Expect.isFalse (Seq.exists Char.IsControl error.Message) "one line"

let private bare rename = fun () -> dictionary (state 1f rename)
let private inside key rename = fun () -> dictionary [ "epoch", Op.int 3L; key, dictionary (state 1f rename) ]
let private both a b = fun () -> dictionary [ a, dictionary (state 1f id); b, dictionary (state 2f id) ]

let private prefixes =
    testList "prefixes" [
        for prefix in [ ""; "module."; "_orig_mod."; "model._orig_mod."; "net."; "a.b.module.c._orig_mod."; "resnet." ] do
            fits $"bare, '{prefix}'" (bare (fun key -> prefix + key))
            fits $"in a dictionary, '{prefix}'" (inside "state_dict" (fun key -> prefix + key))

        fits
            "wrappers within the names"
            (bare (fun key -> key.Replace(".net.", "._fsdp_wrapped_module.net._orig_mod.")))
        refuses "the prefix of some is another" [ "missing"; "'input_net.0.weight'"; "'b.'" ] (fun () ->
            dictionary (state 1f (fun key -> if key.StartsWith "blocks" then "b." + key else "a." + key)))
        refuses "another network" [ "'encoder.'"; "'encoder.x.0'"; "'input_net.0.weight'"; "--model" ] (fun () ->
            dictionary [ "encoder.x.0", further; "encoder.y", further ])
    ]

let private beside =
    testList "beside the weights" [
        for extra in [ "criterion.weight"; "val_confusion.confmat"; "model.aux.weight" ] do
            testCase $"{extra} is left out, and said to be"
            <| fun () ->
                let root =
                    dictionary [ "state_dict", dictionary (state 1f (fun k -> "model." + k) @ [ extra, further ]) ]

                let remarks = ResizeArray<string>()
                let trained = readAs "" (archive root) remarks.Add
                Expect.equal (valueOf trained) 1f "the weights"
                Expect.stringContains (Seq.exactlyOne remarks) (extra.Replace("model.", "")) "what was left"

        refuses "a block that the network has not" [ "'blocks.1.net.0.weight'"; "--hparam" ] (fun () ->
            dictionary (state 1f id @ [ "blocks.1.net.0.weight", further ]))
        fits "counts of batches in lists of one" (fun () ->
            let count = tensor (storage "FloatStorage" "x" 4L) 0L [ 1L ] [ 1L ]
            dictionary (state 1f id @ [ "input_net.1.num_batches_tracked", count ]))
    ]

let private sets =
    testList "several sets" [
        for first, second in [ "state_dict", "state_dict_ema"; "model", "model_ema"; "net", "ema" ] do
            testCase $"{first} is taken, --weights {second} takes the other"
            <| fun () ->
                for root in
                    [
                        both first second ()
                        dictionary [ second, dictionary (state 2f id); first, dictionary (state 1f id) ]
                    ] do
                    let remarks = ResizeArray<string>()
                    Expect.equal (valueOf (readAs "" (archive root) remarks.Add)) 1f "the first"
                    let remark = Seq.exactlyOne remarks
                    Expect.stringContains remark $"{first} is taken" "which"
                    Expect.stringContains remark $"--weights {second}" "how to take the other"
                    remarks.Clear()
                    Expect.equal (valueOf (readAs second (archive root) remarks.Add)) 2f "the other"
                    Expect.isEmpty remarks "nothing to say"

        testCase "told apart by their prefixes"
        <| fun () ->
            let root =
                dictionary [
                    "state_dict",
                    dictionary (state 2f (fun key -> "ema_model." + key) @ state 1f (fun key -> "model." + key))
                ]

            let remarks = ResizeArray<string>()
            Expect.equal (valueOf (readAs "" (archive root) remarks.Add)) 1f "the network"
            Expect.stringContains (Seq.exactlyOne remarks) "--weights state_dict.ema_model" "the average"
            Expect.equal (valueOf (readAs "ema_model" (archive root) ignored)) 2f "by its prefix"

        testCase "a key that is not there"
        <| fun () ->
            try
                readAs "ema" (archive (both "model" "model_ema" ())) ignored |> ignore
                failtest "read"
            with :? RequestException as error ->
                Expect.stringContains error.Message "'ema': it has model, model_ema" "what there is"
    ]

let tests = testList "weight fit" [ prefixes; beside; sets ]
