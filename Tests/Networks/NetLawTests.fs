module Hybrid.Tests.Networks.NetLawTests

open System
open Expecto
open FsCheck.FSharp
open Hybrid
open Hybrid.Combinators
open Hybrid.Tests.Networks.Nets
open Hybrid.Tests.Networks.AnyNets

/// Every node of a plan.
let rec private nodes (plan: Plan) =
    match plan.Node with
    | PlanNode.Layer _ -> [ plan ]
    | PlanNode.Chain members
    | PlanNode.Fork(_, members) -> plan :: List.collect nodes members

let tests =
    testList "laws of networks" [
        propertyOf 300 "a chain is associative" three (fun (a, b, c) ->
            Expect.equal ((a >>> b) >>> c) (a >>> (b >>> c)) "one network"
            Expect.equal (chain [ a; b; c ]) (a >>> b >>> c) "and the chain of all")

        propertyOf 300 "identity is neutral" written (fun net ->
            Expect.equal (identity >>> net) net "before"
            Expect.equal (net >>> identity) net "behind")

        propertyOf 100 "how a chain is put together moves no path and no shape" working (fun it ->
            let plan = planOf it.Input it.Net
            let pieces = identity >>> (it.Net >>> identity)
            Expect.equal (planOf it.Input pieces) plan "the same plan"

            match it.Net with
            | Net.Chain members ->
                for cut in 0 .. members.Length do
                    let first, second = List.splitAt cut members
                    Expect.equal (planOf it.Input (chain first >>> chain second)) plan $"cut at {cut}"
            | _ -> ())

        propertyOf 200 "a network that should work does, and gives the shape it was built for" samples (fun it ->
            Expect.equal (planOf it.Input it.Net).Out it.Output "shape")

        propertyOf 200 "what one part hands on, the next one gets" working (fun it ->
            for node in nodes (planOf it.Input it.Net) do
                match node.Node with
                | PlanNode.Layer _ -> ()
                | PlanNode.Chain members ->
                    let handed = (node.In, members) ||> List.scan (fun _ part -> part.Out)
                    Expect.equal (members |> List.map _.In) (List.take members.Length handed) "inputs"
                    Expect.equal (List.last handed) node.Out "output"
                | PlanNode.Fork(_, branches) ->
                    for branch in branches do
                        Expect.equal branch.In node.In "a branch reads the fork's input")

        propertyOf 200 "no key twice, none empty, in a plan that is given out" anyPair (fun (input, net) ->
            match Plan.elaborate input net with
            | Error _ -> ()
            | Ok plan ->
                let keys = Plan.stateTensors plan |> List.map _.Key
                Expect.equal keys (List.distinct keys) "distinct"
                Expect.isFalse (keys |> List.exists (fun key -> key.Split '.' |> Array.contains "")) "no empty segment")

        propertyOf
            2000
            "any network and any input: a plan that fits in memory's numbers, or errors"
            anyPair
            (fun (input, net) ->
                match Plan.elaborate input net with
                | Error errors ->
                    Expect.isNonEmpty errors "what is wrong"

                    for error in errors do
                        Expect.isFalse (String.IsNullOrWhiteSpace(string error)) "a text"
                | Ok plan ->
                    for node in nodes plan do
                        for shape in [ node.In; node.Out ] do
                            Expect.all (Shape.dims shape) (fun dim -> dim > 0) $"{shape} exists"
                            let dims = Shape.dims shape |> List.map bigint

                            Expect.isLessThan
                                (List.reduce (*) dims)
                                (bigint Int32.MaxValue + 1I)
                                $"{shape} can be held"

                    for tensor in Plan.stateTensors plan do
                        Expect.all tensor.Dims (fun dim -> dim > 0) $"{tensor.Key} exists")

        propertyOf 200 "one mistake in a chain is one error, at its place" (Arb.fromGen flawed) (fun (net, place) ->
            match Plan.elaborate (Shape.Image(5, 12, 12)) net with
            | Ok _ -> failtest "the mistake was not seen"
            | Error errors -> Expect.equal (errors |> List.map _.Path) [ string place ] "where")

        propertyOf
            100
            "as many errors as branches with a mistake, in their order"
            (Arb.fromGen (Gen.choose (1, 5) |> Gen.bind (fun count -> Gen.listOfLength count flawed)))
            (fun branches ->
                for join in [ concat; sum ] do
                    let named = branches |> List.mapi (fun index (net, _) -> name $"b{index}" net)
                    let good = name "good" (globalAvgPool >>> flatten >>> linear 3)
                    let net = name "join" (join (good :: named)) >>> relu >>> linear 2

                    match Plan.elaborate (Shape.Image(5, 12, 12)) net with
                    | Ok _ -> failtest "no mistake was seen"
                    | Error errors ->
                        let places = branches |> List.mapi (fun index (_, place) -> $"join.b{index}.{place}")
                        Expect.equal (errors |> List.map _.Path) places "where")

        propertyOf 100 "a name puts its segment in front of every key" working (fun it ->
            let keys net = planOf it.Input net |> Plan.stateTensors |> List.map _.Key
            Expect.equal (keys (name "above" it.Net)) (keys it.Net |> List.map (fun key -> $"above.{key}")) "keys")
    ]
