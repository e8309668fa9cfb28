module Hybrid.Tests.Describe.GraphTests

open Expecto
open Hybrid
open Hybrid.Combinators
open Hybrid.Tests.Networks.Nets

let private graph channels net = Graph.ofPlan (planOf (Shape.Image(channels, 8, 8)) net)

let private wires (nodes: GraphNode list) = [ for node in nodes -> node.Name, List.ofArray node.Inputs ]

let rec private joins plan =
    match plan.Node with
    | PlanNode.Layer _ -> 0
    | PlanNode.Chain members -> List.sumBy joins members
    | PlanNode.Fork(_, branches) -> 1 + List.sumBy joins branches

let tests =
    testList "graph" [
        propertyOf 300 "every layer and join once, behind what it reads, under a name of its own" working (fun sample ->
            let plan = planOf sample.Input sample.Net
            let nodes = Graph.ofPlan plan
            Expect.equal nodes.Length (1 + (Plan.layers plan).Length + joins plan) "nodes"
            let names = nodes |> List.map _.Name
            Expect.equal (List.distinct names) names "no two the same"

            for place, node in List.indexed nodes do
                Expect.isMatch node.Name "^[A-Za-z0-9.][A-Za-z0-9_>./]*$" "as the graph format wants names"
                Expect.containsAll (List.take place names) node.Inputs $"{node.Name} reads what came before"

            let trained =
                nodes
                |> Seq.collect _.Settings
                |> Seq.sumBy (fun struct (name, value) -> if name = "params" then value else 0L)

            Expect.equal trained (Plan.parameterCount plan) "parameters"
            Expect.equal (nodes.Head.Out |> List.ofArray) (Shape.dims sample.Input) "input"

            if nodes.Length > 1 then
                Expect.equal ((List.last nodes).Out |> List.ofArray) (Shape.dims sample.Output) "output")

        test "a residual block reads its input twice" {
            let block = name "blocks" (sequential [ residual (name "net" (sequential [ conv 3; relu ])) >>> relu ])

            Expect.equal
                (wires (graph 3 block))
                [
                    "input", []
                    "blocks/0/0/net/0.Conv2d", [ "input" ]
                    "blocks/0/0/net/1.ReLU", [ "blocks/0/0/net/0.Conv2d" ]
                    "blocks/0/0/Sum", [ "blocks/0/0/net/1.ReLU"; "input" ]
                    "blocks/0/1.ReLU", [ "blocks/0/0/Sum" ]
                ]
                "wires"
        }

        test "branches are joined in their order" {
            let fork = concat [ name "a" (conv 2); identity; name "b" (maxPoolWith (Pool2d.square 3 1 1)) ]

            let nodes = graph 3 fork

            Expect.equal
                (wires nodes)
                [
                    "input", []
                    "a.Conv2d", [ "input" ]
                    "b.MaxPool2d", [ "input" ]
                    "Concat", [ "a.Conv2d"; "input"; "b.MaxPool2d" ]
                ]
                "wires"

            Expect.equal (List.last nodes).Out [| 8; 8; 8 |] "2 + 3 + 3 channels"

            Expect.equal
                nodes[1].Settings
                [| struct ("kernel", 3L); struct ("stride", 1L); struct ("padding", 1L); struct ("params", 56L) |]
                "3 · 2 · 9 + 2"
        }

        test "names that would be the same are told apart, and odd characters are replaced" {
            let twice = chain [ name "act é/1" relu; name "act é/1" relu ]
            Expect.equal (wires (graph 1 twice) |> List.map fst) [ "input"; "act___1.ReLU"; "act___1.ReLU_1" ] "names"
        }
    ]
