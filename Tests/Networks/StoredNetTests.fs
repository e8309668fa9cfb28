module Hybrid.Tests.Networks.StoredNetTests

open Expecto
open FsCheck
open FsCheck.FSharp
open Hybrid
open Hybrid.Combinators
open Hybrid.Tests.Networks.Nets
open Hybrid.Tests.Networks.AnyNets

let private refused name text (parts: string list) =
    testCase name
    <| fun () ->
        match StoredNet.read text with
        | Ok net -> failtest $"read as %A{net}"
        | Error message ->
            for part in parts do
                Expect.stringContains message part "the message"

let private valid =
    """[{"conv2d":{"channels":64,"kernel":3,"stride":1,"padding":1,"bias":true}},"relu",{"sum":["flatten",[]]}]"""

/// Text that is nearly a network: a stored one with some of it cut out, doubled or changed.
let private damaged =
    gen {
        let! net = Arb.toGen written
        let text = StoredNet.write net
        let! at = Gen.choose (0, text.Length - 1)
        let! length = Gen.choose (0, min 8 (text.Length - at))

        let! put =
            Gen.elements [ ""; "{"; "]"; "\""; ","; "null"; "1e9"; "\\ud800"; "\ud800"; "\u0000"; "\"name\":"; text ]

        return text.Remove(at, length).Insert(at, put)
    }

let tests =
    testList "stored net" [
        propertyOf 300 "any network comes back the same" anything (fun net ->
            Expect.equal (StoredNet.read (StoredNet.write net)) (Ok net) "the same")

        testCase "the zoo comes back the same, and is short"
        <| fun () ->
            for model in Catalogue.names () do
                match Catalogue.find model [] with
                | Error message -> failtest message
                | Ok model ->
                    let text = StoredNet.write model.Net
                    Expect.equal (StoredNet.read text) (Ok model.Net) model.Name
                    Expect.isLessThan text.Length 100_000 "characters"

        testCase "paddings, norms with settings and an order look like"
        <| fun () ->
            let net =
                ordered
                    [ "b"; "a" ]
                    (chain [
                        name "a" (convWith (Conv2d.square 3 4 |> Conv2d.noBias |> Conv2d.margins 1 2 3 4))
                        name "b" (convWith (Conv2d.square 3 4 |> Conv2d.noBias |> Conv2d.same))
                        batchNormWith 1e-3 0.1
                        pixelLinear 3
                    ])

            Expect.equal
                (StoredNet.write net)
                """{"order":["b","a"],"net":[{"name":"a","net":{"conv2d":{"channels":4,"kernel":3,"stride":1,"padding":[1,2,3,4],"bias":false}}},{"name":"b","net":{"conv2d":{"channels":4,"kernel":3,"stride":1,"padding":"same","bias":false}}},{"batchnorm2d":{"epsilon":0.001}},{"pixellinear":{"features":3,"bias":true}}]}"""
                "text"

            Expect.equal (StoredNet.read (StoredNet.write net)) (Ok net) "and back"

        testCase "what it looks like"
        <| fun () ->
            let net =
                name "blocks" (sequential [ conv 64; batchNorm; residual relu; concat [ maxPool 2; avgPool 2 ] ])
                >>> globalAvgPool
                >>> flatten
                >>> linear 10

            Expect.equal
                (StoredNet.write net)
                ("""[{"name":"blocks","net":["""
                 + """{"name":"0","net":{"conv2d":{"channels":64,"kernel":3,"stride":1,"padding":1,"bias":true}}},"""
                 + """{"name":"1","net":"batchnorm2d"},"""
                 + """{"name":"2","net":{"sum":["relu",[]]}},"""
                 + """{"name":"3","net":{"concat":[{"maxpool2d":{"kernel":2,"stride":2,"padding":0}},"""
                 + """{"avgpool2d":{"kernel":2,"stride":2,"padding":0}}]}}]},"""
                 + """"adaptiveavgpool2d","flatten",{"linear":{"features":10,"bias":true}}]""")
                "text"

        testCase "space between does not count"
        <| fun () ->
            Expect.equal (StoredNet.read " [ \"relu\" ,\n\t\"flatten\" ] ") (Ok(relu >>> flatten)) "the same network"

        propertyOf 1000 "any text is a network or an error" (ArbMap.defaults |> ArbMap.arbitrary<string>) (fun text ->
            StoredNet.read text |> ignore)

        propertyOf 2000 "damaged text is a network or an error" (Arb.fromGen damaged) (fun text ->
            match StoredNet.read text with
            | Ok _ -> ()
            | Error message -> Expect.isNotEmpty message "what is wrong")

        propertyOf
            100
            "text that stops early is an error"
            (Arb.fromGen (Gen.choose (0, valid.Length - 1)))
            (fun length -> Expect.isError (StoredNet.read (valid.Substring(0, length))) "cut")

        refused "an unknown layer" """["relu","flaten"]""" [ "$[1]"; "'flaten'"; "did you mean flatten?" ]
        refused "an unknown form" """{"conv3d":{}}""" [ "$"; "'conv3d'" ]
        refused "an unknown setting" """[{"linear":{"features":3,"bias":true,"bais":1}}]""" [
            "$[0].linear"
            "'bais'"
            "did you mean bias?"
        ]
        refused "a missing setting" """{"name":"a","net":{"linear":{"features":3}}}""" [
            "$.net.linear"
            "the key bias is missing"
        ]
        refused "a setting twice" """{"linear":{"features":3,"features":4,"bias":true}}""" [ "features" ]
        refused "a number in quotes" """{"linear":{"features":"3","bias":true}}""" [
            "$.linear.features"
            "expected a whole number, got \"3\""
        ]
        refused "a broken number" """{"linear":{"features":3.5,"bias":true}}""" [ "got 3.5" ]
        refused "a number beyond 32 bits" """{"linear":{"features":3000000000,"bias":true}}""" [ "got 3000000000" ]
        refused "a number as a switch" """{"linear":{"features":3,"bias":1}}""" [ "expected true or false, got 1" ]
        refused "a name that is no text" """{"name":3,"net":[]}""" [ "$.name"; "expected text, got 3" ]
        refused "a name without a network" """{"name":"a"}""" [ "the key net is missing" ]
        refused "a network without a name" """{"net":[]}""" [ "the key name is missing" ]
        refused "branches that are no array" """{"sum":"relu"}""" [ "$.sum"; "expected an array, got \"relu\"" ]
        refused "settings that are no object" """{"conv2d":3}""" [
            "$.conv2d"
            "channels, kernel, stride, padding, dilation, groups, bias"
        ]
        refused "two forms in one object" """{"sum":[],"concat":[]}""" [ "expected an object with one key" ]
        refused "an empty object" "[{}]" [ "$[0]"; "expected an object with one key" ]
        refused "a bare number" "[[3]]" [ "$[0][0]"; "got 3" ]
        refused "more layers than any network has" ("[" + String.replicate 30_000 "\"relu\"," + "\"relu\"]") [
            "30001 layers"
            "at most 20000"
        ]
        refused "nothing" "" [ "not the JSON" ]
        refused "two networks" "[] []" [ "not the JSON" ]
        refused "a comment" "[] // none" [ "not the JSON" ]
        refused "a name that cannot be written" """{"name":"\ud800","net":[]}""" [ "not the JSON" ]
        refused "a network as deep as a stack overflow" (String.replicate 100_000 "[" + String.replicate 100_000 "]") [
            "not the JSON"
        ]

        testCase "a network that is too deep to be read is not written"
        <| fun () ->
            let deep = (relu, [ 1..200 ]) ||> List.fold (fun net _ -> name "a" net)
            Expect.equal (StoredNet.read (StoredNet.write deep)) (Ok deep) "200 levels"
            let deeper = (relu, [ 1..300 ]) ||> List.fold (fun net _ -> name "a" net)
            Expect.throwsT<System.InvalidOperationException> (fun () -> StoredNet.write deeper |> ignore) "300 levels"
    ]
