/// What a checkpoint of Hybrid says: a flipped bit, a wrong number, a name too few.
module Hybrid.Tests.Checkpoints.StoredFactsTests

open System
open System.Collections.Generic
open System.IO
open Expecto
open Hybrid
open Hybrid.Host.Checkpoints
open Hybrid.Host.Runtime
open Hybrid.Tests.Checkpoints.Handmade
open Hybrid.Tests.Checkpoints.SmallNetwork

let private reread (bytes: byte[]) = withFile bytes (fun path -> TrainedModel.Read(path, Requests.Unnamed))

let private refused name (words: string list) (bytes: unit -> byte[]) =
    testCase name
    <| fun () ->
        try
            reread (bytes ()) |> ignore
            failtest "read"
        with
        | :? WorkException
        | :? RequestException as error ->
            for word in words do
                Expect.stringContains error.Message word "what is said"

            // What is wrong with shapes comes one a line; all else is said in one.
            if not (error.Message.Contains "does not work on images") then
                Expect.isFalse (error.Message.Contains '\n') "one line"

let private says key value words = refused $"{key} is {value}" words (fun () -> written plain [ key, value ])

let private numbers name values words =
    let fill (spec: TensorSpec) =
        if spec.Key = "input_net.1.running_var" then
            StoredTensor(spec.Key, DType.Float32, [| 2L |], ReadOnlyMemory(floats values))
        else
            plain spec

    refused name words (fun () -> written fill [])

let tests =
    testList "stored facts" [
        testCase "what is written is read"
        <| fun () ->
            let trained = reread (written plain [])
            Expect.equal (List.ofSeq trained.Classes) [ "a"; "b"; "c" ] "classes"
            Expect.equal (trained.Normalisation.Std |> List.ofSeq) [ 0.2; 0.2; 0.2 ] "normalisation"
            Expect.equal trained.Data "shapes" "a hint"

        testCase "every flip of a bit is found"
        <| fun () ->
            let whole = written plain []

            withFile whole (fun path ->
                for place in 0 .. whole.Length * 8 - 1 do
                    let bytes = Array.copy whole
                    bytes[place / 8] <- bytes[place / 8] ^^^ (1uy <<< place % 8)
                    File.WriteAllBytes(path, bytes)

                    Expect.throwsT<WorkException>
                        (fun () -> CheckpointFile.Read path |> ignore)
                        $"bit {place % 8} of byte {place / 8}")

        testCase "a file of another program has no checksum, and is read"
        <| fun () ->
            let header = "{\"w\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}"B

            Expect.equal
                (read (Array.concat [ BitConverter.GetBytes header.LongLength; header; [| 7uy |] ])).Tensors.Count
                1
                ""

        testCase "words of another program mean nothing"
        <| fun () ->
            let root =
                dictionary [
                    yield! [ "classes", Op.int 10L; "input", Op.text "images"; "normalisation", Op.none ]
                    "state_dict", dictionary (state 1f id)
                ]

            Expect.isNull (readAs "" (archive root) ignore<string>).Classes "nothing is said"

        says "classes" """["a","b"]""" [ "2 classes for 3 outputs" ]
        says "classes" """["a","b","c","d"]""" [ "4 classes for 3 outputs" ]
        says "classes" """["a",null,"c"]""" [ "no name" ]
        says "classes" """["a","","c"]""" [ "no name" ]
        says "classes" """["a","b","a"]""" [ "two classes are called 'a'" ]
        says "classes" """["a","b",3]""" [ "not what Hybrid writes" ]
        says "classes" """{"a":1}""" [ "not what Hybrid writes" ]
        says "classes" """["a","b","\ud800"]""" [ "not what Hybrid writes" ]
        says "classes" "[" [ "not what Hybrid writes" ]
        says "normalisation" """{"Mean":[0,0],"Std":[1,1]}""" [ "each of 3 channels" ]
        says "normalisation" """{"Mean":[0,0,0],"Std":[1,1,0]}""" [ "positive, finite" ]
        says "normalisation" """{"Mean":[0,0,0],"Std":[1,1,-1]}""" [ "positive, finite" ]
        says "normalisation" """{"Mean":[0,0,1e999],"Std":[1,1,1]}""" [ "finite means" ]
        says "normalisation" """{"Mean":null}""" [ "each of 3 channels" ]
        says "normalisation" """{"Mean":[0,0,null],"Std":[1,1,1]}""" [ "not what Hybrid writes" ]
        says "input" "3x32" [ "3x32x32" ]
        says "input" "3x-1x32" [ "3x32x32" ]
        says "input" "3x20000x20000" [ "Input"; "1200000000" ]
        says "hyper_parameters" """{"model_name":"\ud800"}""" [ "not a JSON object" ]
        says "hyper_parameters" """{"\udfff":1,"model_name":"ResNet"}""" [ "not a JSON object" ]
        says "hyper_parameters" """[1]""" [ "not a JSON object" ]
        says "hyper_parameters" """{"model_name":["ResNet"]}""" [ "unknown model" ]
        says "hyper_parameters" """{"model_name":"ResNet","model_hparams":{"num_blocks":[[1]]}}""" [ "num_blocks" ]

        for hparam, words in
            [
                "\"num_blocks\":[100000],\"c_hidden\":[2]", [ "num_blocks"; "100000" ]
                "\"num_classes\":3,\"num_blocks\":[1],\"c_hidden\":[14000]", [ "numbers in all tensors" ]
                "\"num_classes\":30000000", [ "num_classes"; "30000000" ]
                "\"num_classes\":99999999999", [ "num_classes" ]
                "\"num_classes\":-1", [ "num_classes" ]
                "\"num_classes\":3,\"num_blocks\":[2],\"c_hidden\":[2]", [ "missing" ]
            ] do
            refused $"a network of {hparam}" words (fun () ->
                let network = "{\"model_name\":\"ResNet\",\"model_hparams\":{" + hparam + "}}"
                written plain [ "hyper_parameters", network ])

        numbers "NaN" [ 1f; nanf ] [ "input_net.1.running_var"; "1 numbers that are not finite" ]
        numbers "infinity" [ infinityf; -infinityf ] [ "2 numbers that are not finite" ]
        numbers "a negative variance" [ 1f; -1f ] [ "variance below 0" ]
        refused "weights that are whole numbers" [ "input_net.0.weight"; "Int32" ] (fun () ->
            let fill (spec: TensorSpec) =
                if spec.Key = "input_net.0.weight" then
                    StoredTensor(spec.Key, DType.Int32, (plain spec).Shape, (plain spec).Bytes)
                else
                    plain spec

            written fill [])
    ]
