/// What a pickle may and may not do, one trick at a time.
module Hybrid.Tests.Checkpoints.PickleTests

open System
open System.Diagnostics
open Expecto
open Hybrid.Tests.Checkpoints.Handmade

/// A checkpoint whose only tensor is fine and whose other entry is the given instructions.
let private beside (operations: byte[]) =
    torchZip (dictionary [ "x", operations; "state_dict", dictionary [ "w", vector "0" 1 ] ]) [ "0", floats [ 1f ] ]

let private raw (bytes: byte[]) = zipOf (torchEntries bytes [])

let private hyperParameters (operations: byte[]) =
    let root = dictionary [ "state_dict", dictionary [ "w", vector "0" 1 ]; "hyper_parameters", operations ]
    (read (torchZip root [ "0", floats [ 1f ] ])).HyperParameters.ToJsonString()

let private refuses name reason (operations: byte[]) =
    testCase name (fun () -> expectRefusal reason (beside operations))

let private repeated count (operations: byte[]) = Array.concat (Array.replicate count operations)

/// What is called is not known and stays a name with its arguments.
let private inert name (operations: byte[]) =
    testCase $"inert: {name}"
    <| fun () -> Expect.equal (read (beside operations)).Tensors.Count 1 "the weights beside it"

let private object' moduleName name = Array.concat [ Op.named moduleName name; Op.emptyTuple; Op.newObj ]

let private attributes = dictionary [ "x", Op.int 1L ]

let private calls =
    testList "calls" [
        inert "os.system" (call "os" "system" [ Op.text "touch /tmp/hybrid-was-here" ])
        inert "eval" (call "builtins" "eval" [ Op.text "1" ])
        inert "getattr" (call "__builtin__" "getattr" [ Op.none; Op.text "x" ])
        inert "torch.load" (call "torch" "load" [ Op.text "x" ])
        inert "a class" (object' "__main__" "Net")
        inert "a class with attributes" (Array.concat [ object' "torch.optim" "StepLR"; attributes; Op.build ])
        inert "attributes that are a tuple" (Array.concat [ object' "a" "B"; tupleOf [ Op.none; Op.none ]; Op.build ])
        inert "attributes given twice" (Array.concat [ object' "a" "B"; Op.none; Op.build; Op.none; Op.build ])
        inert "what a call returned, called" (Array.concat [ object' "a" "b"; Op.emptyTuple; Op.reduce ])
        inert "a class of keywords" (Array.concat [ Op.named "a" "B"; Op.emptyTuple; Op.emptyDict; [| 0x92uy |] ])
        inert "a list of its own class" (Array.concat [ object' "a" "L"; Op.none; Op.append ])
        inert "a dictionary of its own class" (Array.concat [ object' "a" "D"; Op.none; Op.none; Op.setItem ])
        inert "a set of its own class" (Array.concat [ object' "a" "S"; Op.mark; Op.none; [| 0x90uy |] ])
        inert "a known name with other arguments" (call "torch" "Size" [ Op.text "x" ])
        inert
            "a dictionary with attributes"
            (Array.concat [ call "collections" "OrderedDict" []; attributes; Op.build ])
        inert "a tensor with attributes" (Array.concat [ vector "0" 1; attributes; Op.build ])
        inert "a tensor of its own class" (call "torch._tensor" "_rebuild_from_type_v2" [])
        inert "an integer of 40 bytes" (Array.concat [ [| 0x8Auy; 40uy |]; Array.create 40 1uy ])
        inert "a name of a file that is not UTF-8" [| byte 'X'; 1uy; 0uy; 0uy; 0uy; 0xFFuy |]
        inert "a class that is only held" (Op.named "os" "system")
        inert "a counter" (call "collections" "Counter" [ dictionaryOf [ Op.int 100L, Op.int 1L ] ])
        inert "a default dictionary" (call "collections" "defaultdict" [ Op.named "builtins" "dict" ])

        testCase "inert: a complex tensor"
        <| fun () ->
            let complex = tensor (storage "ComplexFloatStorage" "1" 1L) 0L [ 1L ] [ 1L ]
            let root = dictionary [ "x", complex; "state_dict", dictionary [ "w", vector "0" 1 ] ]
            let result = read (torchZip root [ "0", floats [ 1f ]; "1", floats [ 1f; 2f ] ])
            Expect.equal result.Tensors.Count 1 "the weights beside it"

        refuses "a list" "calls a list" (Array.concat [ Op.emptyList; Op.emptyTuple; Op.reduce ])
        refuses
            "what a known call returned"
            "calls a dictionary"
            (Array.concat [ call "collections" "OrderedDict" []; Op.emptyTuple; Op.reduce ])
        refuses "without arguments" "without arguments" (Array.concat [ Op.named "torch" "Size"; Op.none; Op.reduce ])
        refuses
            "a tensor without a storage"
            "does not take"
            (call "torch._utils" "_rebuild_tensor_v2" [ Op.none; Op.int 0L; tupleOf []; tupleOf []; Op.no; Op.none ])
        refuses "a name over two lines of text" "without an end" (Array.append "c"B (Array.create 400 (byte 'a')))
        refuses "state for a list" "gives state to a list" (Array.concat [ Op.emptyList; Op.emptyDict; Op.build ])
        refuses
            "state for a plain dictionary"
            "gives state to a dictionary"
            (Array.concat [ Op.emptyDict; Op.emptyDict; Op.build ])
        refuses
            "state for a class"
            "gives state to the class"
            (Array.concat [ Op.named "os" "environ"; Op.emptyDict; Op.build ])
    ]

let private instructions =
    testList "instructions" [
        for code in "SVILFPpgdlio2" do
            refuses $"protocol 0's {code}" "which is refused" (Op.one code)

        refuses "an extension" "Ext1" [| 0x82uy; 1uy |]
        refuses "a call by keywords of nothing" "not there" [| 0x92uy |]
        refuses "a buffer from outside" "NextBuffer" [| 0x97uy |]
        refuses "an unknown instruction" "0xff" [| 0xFFuy |]
        refuses
            "an item of a list (CVE-2026-24747)"
            "sets an item of a list"
            (Array.concat [ Op.emptyList; Op.none; Op.none; Op.setItem ])
        refuses
            "an item of a tensor"
            "sets an item of a tensor"
            (Array.concat [ vector "0" 1; Op.int 0L; Op.int 0L; Op.setItem ])
        refuses
            "items of a class"
            "sets an item of the class 'a.b'"
            (Array.concat [ Op.named "a" "b"; Op.mark; Op.none; Op.none; Op.setItems ])
        refuses "a key without a value" "without a value" (Array.concat [ Op.emptyDict; Op.mark; Op.none; Op.setItems ])
        refuses "an append to a tuple" "appends to a tuple" (Array.concat [ Op.emptyTuple; Op.none; Op.append ])
        refuses
            "appends to a dictionary"
            "appends to a dictionary"
            (Array.concat [ Op.emptyDict; Op.mark; Op.none; Op.appends ])
        refuses "an unknown memo" "recalls number 77" (Op.get 77)
        refuses "a memo of 2^32 - 1" "recalls number 4294967295" (Op.longGet 0xFFFFFFFFL)
        refuses "a memo put far out" "remembers a value" (Array.concat [ Op.none; Op.longPut 0xFFFFFFF0L ])
        refuses "a group that was not opened" "closes a group" (repeated 4 Op.tuple)
        refuses "a value below the mark" "not there" (Array.concat [ Op.none; Op.mark; Op.tuple1 ])
        refuses "an integer of 2 GiB" "truncated" [| 0x8Buy; 0xFFuy; 0xFFuy; 0xFFuy; 0x7Fuy |]
        refuses "an integer of negative length" "truncated" [| 0x8Buy; 0xFFuy; 0xFFuy; 0xFFuy; 0xFFuy |]
        refuses "a text of 2^60 bytes" "truncated" [| 0x8Duy; 0uy; 0uy; 0uy; 0uy; 0uy; 0uy; 0uy; 0x10uy |]
        refuses "bytes of 4 GiB" "truncated" [| byte 'B'; 0xFFuy; 0xFFuy; 0xFFuy; 0xFFuy |]
        refuses "a frame of 2^60 bytes" "frame" [| 0x95uy; 0uy; 0uy; 0uy; 0uy; 0uy; 0uy; 0uy; 0x10uy |]
        refuses "an id that is no storage" "describes no storage" (Array.append (Op.text "module") Op.persistent)
        refuses "a group left open" "sets an item of a string" (Array.concat [ Op.mark; Op.none ])

        testCase "an empty pickle" <| fun () -> expectRefusal "not there" (raw (pickle []))
        testCase "two values"
        <| fun () -> expectRefusal "leaves values behind" (raw (pickle [ Op.none; Op.none ]))
        testCase "protocol 0" <| fun () -> expectRefusal "protocol" (raw "I1\n."B)
        testCase "protocol 6"
        <| fun () -> expectRefusal "protocol" (raw [| 0x80uy; 6uy; byte 'N'; byte '.' |])
        testCase "bytes behind"
        <| fun () -> expectRefusal "followed by" (raw (Array.append (pickle [ Op.none ]) "x"B))
        testCase "no dictionary" <| fun () -> expectRefusal "holds a list" (raw (pickle [ Op.emptyList ]))
        testCase "no tensor"
        <| fun () -> expectRefusal "no state dict" (raw (pickle [ dictionary [ "a", Op.none ] ]))
    ]

/// Reads or refuses, but in the time of an honest file of this size.
let private bounded name (operations: byte[]) =
    testCase name (fun () ->
        let clock = Stopwatch.StartNew()
        let bytes = beside operations

        try
            read bytes |> ignore
        with :? Hybrid.Host.Runtime.WorkException ->
            ()

        Expect.isLessThan clock.Elapsed (TimeSpan.FromSeconds 20.0) "time")

let private million = 1_000_000

let private sizes =
    testSequenced
    <| testList "size and depth" [
        bounded
            "lists nested a million deep"
            (Array.append (repeated million Op.emptyList) (repeated (million - 1) Op.append))
        bounded "tuples nested a million deep" (Array.append Op.none (repeated million Op.tuple1))
        bounded "a million open groups" (repeated million Op.mark)
        bounded "a list that holds itself" (Array.concat [ Op.emptyList; Op.put 0; Op.get 0; Op.append ])
        bounded
            "copies of a long list"
            (Array.concat [
                listOf (List.replicate 100_000 Op.none)
                Op.put 0
                repeated 100_000 (Array.concat [ Op.named "builtins" "set"; Op.get 0; Op.tuple1; Op.reduce ])
            ])
        bounded
            "a long text as a key, again and again"
            (Array.concat [
                Op.text (String('x', million))
                Op.put 0
                Op.emptyDict
                repeated 100_000 (Array.concat [ Op.get 0; Op.none; Op.setItem ])
            ])

        testCase "more steps than any checkpoint takes"
        <| fun () -> expectRefusal "steps" (beside (repeated (2 * million + 1) (Array.append Op.none (Op.one '0'))))

        testCase "hyperparameters that hold themselves"
        <| fun () ->
            let root =
                dictionary [
                    "state_dict", dictionary [ "w", vector "0" 1 ]
                    "hyper_parameters", Array.concat [ Op.emptyDict; Op.put 9; Op.text "self"; Op.get 9; Op.setItem ]
                ]

            expectRefusal "nested deeper" (torchZip root [ "0", floats [ 1f ] ])

        testCase "hyperparameters that double at each level"
        <| fun () ->
            let double level = Array.concat [ Op.put level; Op.get level; Op.tuple2 ]
            let laughs = Array.concat (Op.text "ha" :: [ for level in 1..50 -> double level ])

            let root =
                dictionary [
                    "state_dict", dictionary [ "w", vector "0" 1 ]
                    "hyper_parameters", dictionary [ "x", laughs ]
                ]

            expectRefusal "longer than" (torchZip root [ "0", floats [ 1f ] ])
    ]

let private values =
    testList "hyperparameters" [
        testCase "plain values"
        <| fun () ->
            let operations =
                dictionary [
                    "none", Op.none
                    "yes", Op.yes
                    "int", Op.int -5L
                    "float", Op.float 0.1
                    "nan", Op.float nan
                    "text", Op.text "Größe"
                    "tuple", tupleOf [ Op.int 1L; Op.int 2L ]
                    "nested", dictionary [ "a", listOf [ Op.int 3L ] ]
                ]

            let expected =
                """{"none":null,"yes":true,"int":-5,"float":0.1,"nan":"NaN","text":"Gr\u00F6\u00DFe","""
                + """"tuple":[1,2],"nested":{"a":[3]}}"""

            Expect.equal (hyperParameters operations) expected "as JSON"

        testCase "a class becomes its name"
        <| fun () ->
            let operations = dictionary [ "model_class", Op.named "__main__" "nets.ResNet" ]
            Expect.equal (hyperParameters operations) """{"model_class":"ResNet"}""" "short name"

        testCase "a number of NumPy becomes a number"
        <| fun () ->
            let dtype = call "numpy" "dtype" [ Op.text "f8"; Op.no; Op.yes ]
            let bytes = call "_codecs" "encode" [ Op.text "\000\000\000\000\000\000\u00E0?"; Op.text "latin1" ]
            let operations = dictionary [ "lr", call "numpy.core.multiarray" "scalar" [ dtype; bytes ] ]
            Expect.equal (hyperParameters operations) """{"lr":0.5}""" "its value"

        testCase "what is not known becomes the name of its class"
        <| fun () ->
            let operations = dictionary [ "loss", object' "torch.nn.modules.loss" "CrossEntropyLoss" ]
            Expect.equal (hyperParameters operations) """{"loss":"CrossEntropyLoss"}""" "short name"

        testCase "OmegaConf's dictionary becomes an object"
        <| fun () ->
            let node =
                Array.concat [ object' "omegaconf.nodes" "AnyNode"; dictionary [ "_val", Op.int 3L ]; Op.build ]

            let content = dictionary [ "_content", dictionary [ "depth", node ] ]
            let operations = Array.concat [ object' "omegaconf.dictconfig" "DictConfig"; content; Op.build ]
            Expect.equal (hyperParameters operations) """{"depth":3}""" "its content"

        testCase "a namespace becomes an object"
        <| fun () ->
            let operations =
                Array.concat [
                    Op.named "argparse" "Namespace"
                    Op.emptyTuple
                    Op.newObj
                    dictionary [ "lr", Op.float 0.5 ]
                    Op.build
                ]

            Expect.equal (hyperParameters operations) """{"lr":0.5}""" "items"

        testCase "Lightning's own dictionary becomes an object"
        <| fun () ->
            let operations =
                Array.concat [
                    Op.named "pytorch_lightning.utilities.parsing" "AttributeDict"
                    Op.emptyTuple
                    Op.newObj
                    Op.text "lr"
                    Op.float 0.5
                    Op.setItem
                ]

            Expect.equal (hyperParameters operations) """{"lr":0.5}""" "items"

        testCase "a key set twice keeps its place and the last value"
        <| fun () ->
            let operations = dictionary [ "a", Op.int 1L; "b", Op.int 2L; "a", Op.int 3L ]
            Expect.equal (hyperParameters operations) """{"a":3,"b":2}""" "as in Python"
    ]

let tests = testList "pickles" [ calls; instructions; sizes; values ]
