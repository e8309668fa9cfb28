module Hybrid.Tests.Describe.PyTorchCodeTests

open System
open System.IO
open System.Text.Json
open System.Text.Json.Nodes
open System.Text.RegularExpressions
open Expecto
open FsCheck.FSharp
open TorchSharp
open Hybrid
open Hybrid.Combinators
open Hybrid.Host.Checkpoints
open Hybrid.Tests
open Hybrid.Tests.Data
open Hybrid.Tests.Networks
open Hybrid.Tests.Networks.Nets
open Hybrid.Tests.Modules.Reference

let private facts name = { Name = name; Classes = None; Normalisation = None }

let private image = Shape.Image(3, 9, 8)

/// One of every sort of layer and join, with what is unusual about it, and each where it is no module of its own.
let private ofForms = [
    for layer, _ in Layers.forms do
        let kind = Layers.name layer

        let before =
            match layer with
            | Layer.Conv2d _ -> name "a" (conv 2) >>> name "b" relu
            | Layer.Linear _ -> flatten
            | _ -> name "a" (conv 4)

        kind, name "first" before >>> name "second" (Net.Layer layer)
        $"{kind} by its tensors alone", name "first" before >>> Net.Layer layer
        $"{kind} beside a part", name "x" before >>> name "x" (name "y" identity >>> Net.Layer layer) >>> name "x" relu
]

let private odd = [
    "a linear layer without bias", flatten >>> name "a" (Net.Layer(Layer.Linear(3, false))) >>> relu
    "a rectangle", convWith { Conv2d.rectangle 1 5 4 with Stride = { Height = 2; Width = 1 } }
    "uneven margins", name "a" (convWith (Conv2d.square 3 4 |> Conv2d.stride 2 |> Conv2d.margins 0 1 2 3)) >>> relu
    "uneven margins by its tensors alone", convWith (Conv2d.square 2 4 |> Conv2d.margins 0 1 2 3)
    "TensorFlow's padding",
    sequential [ for kernel in [ 1; 3; 4 ] -> convWith (Conv2d.square kernel 4 |> Conv2d.stride 2 |> Conv2d.same) ]
    "a norm with settings of its own", name "a" (batchNormWith 1e-3 0.01) >>> batchNormWith 0.1 0.5
    "pixels", sequential [ pixelLinear 5; relu; Net.Layer(Layer.PixelLinear(2, false)) ]
    "another order of construction", ordered [ "b" ] (name "a" (conv 2) >>> name "b" (conv 2))
    "groups and dilation", sequential [ conv 4; convWith (Conv2d.square 3 6 |> Conv2d.groups 2 |> Conv2d.dilation 2) ]
    "windows", sequential [ maxPoolWith (Pool2d.square 3 2 1 |> Pool2d.ceiling); avgPoolWith (Pool2d.square 3 2 1) ]
    "windows as calls",
    maxPoolWith (Pool2d.square 3 2 1 |> Pool2d.ceiling) >>> name "x" (avgPoolWith (Pool2d.square 3 2 1))
    "norms of features", flatten >>> name "a" (linear 6) >>> name "b" (groupNorm 2) >>> name "c" (layerScale 0.5)
    "squeeze and excite", conv 4 >>> product [ identity; globalAvgPool >>> conv1x1 4 >>> sigmoid ]
    "with itself", product [ identity; sum [ identity; identity ]; concat [ identity ] ]
    "branches in branches", concat [ sum [ conv 2; conv 2 >>> batchNorm ]; product [ conv1x1 1; relu >>> conv1x1 1 ] ]
    "numbers of branches", sum [ name "0" (conv 3); name "1" (conv 3 >>> relu); identity ]
    "features side by side", flatten >>> concat [ linear 3; linear 2 ]
    "one layer in a name", name "a" (name "b" (name "0" (conv 2)))
    "parts of one name in several places",
    name "a" (name "c" (conv 2))
    >>> relu
    >>> name "a" (name "d" batchNorm)
    >>> sum [ name "a" (name "e" relu); identity ]
    "one activation in several places",
    name "a" relu >>> name "c" (conv 2) >>> name "a" relu >>> name "d" (conv 2) >>> name "a" relu
    "two activations of one name", name "a" relu >>> name "c" (conv 2) >>> name "a" gelu
    "a scale beside layers", name "b" (sequential [ conv 3; batchNorm ]) >>> name "b" (layerScale 1e-3)
    "the input as it is", identity
    "a named nothing", name "a" identity >>> name "b" (sequential [])
    "a hundred inside one another", (conv 3, [ 1..100 ]) ||> List.fold (fun net place -> name $"n{place}" net)
    "a hundred blocks inside one another", (conv 3, [ 1..100 ]) ||> List.fold (fun net _ -> name "n" (residual net))
]

let private layers = ofForms @ odd

/// Names that would be code, or something else of PyTorch or Python, if they were written as they are.
let private hostile = [
    "\""
    "\"\"\""
    "'''"
    "\\"
    "\\\""
    "x\"); open('here', 'w'); (\""
    "x\nopen('here', 'w')\n"
    "x\r\n\topen('here', 'w')"
    "__import__('os')"
    "{open('here', 'w')}"
    "#"
    "a b"
    "3x3"
    "class"
    "None"
    "é"
    "ﬁ"
    "𝐱"
    "类"
    "\u202e\u2066"
    "\u2028"
    "\u0000"
    "\U0001F600"
    "__class__"
    "__init__"
    "__dict__"
    "_modules"
    "_parameters"
    "__x"
    "_"
    "forward"
    "type"
    "append"
    "register_module"
    "self"
    "x"
    "torch"
    "F"
    "weight"
    "bias"
    "running_mean"
    "layer_scale"
]

let private underHostileNames =
    // Where it is a module, in a sequence, beside something unnamed, in a branch, and above others.
    sequential [ for segment in hostile -> name segment (conv 2) ]
    >>> chain [ for segment in hostile -> name segment (conv 2 >>> relu) ]
    >>> sum [ for segment in hostile -> name $"{segment}2" (name segment batchNorm >>> name segment relu) ]
    >>> name "last" (chain [ for segment in hostile -> name segment (name segment (conv 2)) ] >>> relu)

let private zoo = [
    for model in Catalogue.tutorial -> model, [], ModelFamily.tutorialInput
    yield! Zoo.members
]

let private random = lazy (Gen.sample (Effort.tries 400) (Arb.toGen samples))

/// The names that a text has outside of literals and comments.
let private bare (text: string) =
    let text = Regex.Replace(text, "(?s)\"\"\".*?\"\"\"", "")
    Regex.Replace(Regex.Replace(text, "\"(?:[^\"\\\\\n]|\\\\.)*\"", "\"\""), "(?m)#.*$", "")

type private Asked = {
    Title: string
    Plan: Plan
    Facts: PyTorchFacts
    Request: JsonObject
    /// What Hybrid makes of the input in evaluation and, where nothing is random, in training; and the state after that.
    Expected: (float array * float array option * (string * float array) list) option
}

let private write (folder: TemporaryFolder) place title facts (plan: Plan) (dtype: torch.ScalarType option) =
    let text = PyTorchCode.ofPlan facts plan
    let at ending = folder.At $"{place}.{ending}"
    File.WriteAllText(at "py", text)
    let request = JsonObject()
    request.Add("code", at "py")
    let classes = Regex.Matches(text, "(?m)^class (\\w+)\\(")
    request.Add("class", classes[classes.Count - 1].Groups[1].Value)
    request.Add("dtype", (if dtype = Some torch.ScalarType.Float64 then "float64" else "float32"))

    let expected =
        dtype
        |> Option.map (fun dtype ->
            use _ = torch.NewDisposeScope()
            use _ = torch.no_grad ()
            use network = Modules.Built.build Layout.ChannelsLast place plan
            network.eval ()
            let placement = { Placement.cpu with DType = dtype }
            use drawn = generator place
            use narrow = TorchModule.create placement Initialisation.PyTorch drawn plan

            for spec in network.Weights.Specs do
                narrow.Weights[spec.Key].copy_(network.Weights[spec.Key]) |> ignore

            let x = Modules.Built.batchFor drawn 3 plan.In
            PyTorchArchiveWriter.WriteStateDict(at "pt", ModuleTensors.Read narrow, null)
            File.WriteAllBytes(at "input", numbers x |> Array.collect BitConverter.GetBytes)
            request.Add("weights", at "pt")
            request.Add("input", at "input")
            request.Add("shape", JsonArray [| for side in x.shape -> JsonValue.Create side :> JsonNode |])
            request.Add("state", JsonValue.Create(not (Plan.isRandom plan)))
            narrow.eval ()
            let x = x.``to`` dtype
            let evaluated = numbers (narrow.forward x)

            if Plan.isRandom plan then
                evaluated, None, []
            else
                narrow.train ()
                let trained = numbers (narrow.forward x)

                evaluated,
                Some trained,
                [ for spec in narrow.Weights.Specs -> spec.Key, numbers narrow.Weights[spec.Key] ])

    {
        Title = title
        Plan = plan
        Facts = facts
        Request = request
        Expected = expected
    }

let private double = Some torch.ScalarType.Float64

let private single = Some torch.ScalarType.Float32

/// All networks in one process, since PyTorch starts slowly.
let private answers =
    lazy
        (use folder = new TemporaryFolder()

         let ofZoo = [
             for name, overrides, input in zoo ->
                 let model = Catalogue.find name overrides |> Result.defaultWith failtest
                 let facts = { facts model.Name with Normalisation = model.Normalisation }
                 $"{model.Name} and its logits", facts, planOf input model.Net, single
         ]

         let whole = [
             for name in Catalogue.names () ->
                 let model = Catalogue.find name [] |> Result.defaultWith failtest
                 $"{model.Name} whole", facts model.Name, planOf model.Input model.Net, None
         ]

         let byChance = [
             for place, sample in Seq.indexed random.Value ->
                 $"network {place} by chance: {StoredNet.write sample.Net}",
                 facts "random",
                 planOf sample.Input sample.Net,
                 double
         ]

         let nets =
             [ for title, net in layers -> title, facts "Network", planOf image net, double ]
             @ [ "hostile names", facts "__import__('os')", planOf image underHostileNames, double ]
             @ byChance
             @ ofZoo
             @ whole

         let asked = [
             for place, (title, facts, plan, dtype) in List.indexed nets -> write folder place title facts plan dtype
         ]

         let requests = JsonArray [| for it in asked -> it.Request :> JsonNode |]

         PyTorch.run [ "Tests"; "Describe"; "pytorch_code.py" ] (requests.ToJsonString())
         |> Option.map (fun text -> asked, nonNull (JsonNode.Parse text)))

let private floats (node: JsonNode | null) = [|
    for it in (nonNull node).AsArray() ->
        match it with
        | :? JsonValue as value when value.GetValueKind() = JsonValueKind.String ->
            Double.Parse(
                (value.GetValue<string>()).Replace("inf", "Infinity"),
                Globalization.CultureInfo.InvariantCulture
            )
        | it -> (nonNull it).GetValue<float>()
|]

let private check (asked: Asked) (answer: JsonNode) =
    match answer["error"] with
    | null -> ()
    | error -> failtest $"{asked.Title}: {error}\n{PyTorchCode.ofPlan asked.Facts asked.Plan}"

    let keys = [
        for pair in (nonNull answer["keys"]).AsArray() ->
            (nonNull pair[0]).GetValue<string>(),
            [ for side in (nonNull pair[1]).AsArray() -> (nonNull side).GetValue<int>() ]
    ]

    let wanted = [ for spec in Plan.stateTensors asked.Plan -> spec.Key, spec.Dims ]
    Expect.equal (List.sort keys) (List.sort wanted) $"{asked.Title}: keys and shapes"

    match asked.Expected with
    | None -> ()
    | Some(evaluated, trained, state) ->
        let tolerance = if asked.Request["dtype"].GetValue<string>() = "float64" then 1e-9 else 1e-5

        let same (key: string) expected =
            Expect.isLessThanOrEqual (difference (floats answer[key]) expected) tolerance $"{asked.Title}: {key}"

        same "eval" evaluated
        trained |> Option.iter (same "train")

        let left =
            dict [
                for pair in (nonNull answer["state"]).AsArray() -> (nonNull pair[0]).GetValue<string>(), floats pair[1]
            ]

        for key, expected in state do
            Expect.isLessThanOrEqual (difference left[key] expected) tolerance $"{asked.Title}: {key} after training"

let private withPyTorch run =
    match answers.Value with
    | None -> skiptest "no python3 on the path has PyTorch"
    | Some(asked, said) -> run asked (nonNull said["answers"]) said

let private group what (chosen: string -> bool) =
    testCase what
    <| fun () ->
        withPyTorch (fun asked answers _ ->
            let pairs =
                Seq.zip asked (answers.AsArray()) |> Seq.filter (fun (it, _) -> chosen it.Title) |> List.ofSeq

            Expect.isNonEmpty pairs "there are some"

            for it, answer in pairs do
                check it (nonNull answer))

let tests =
    testList "PyTorch code" [
        group "every layer and join" (fun title -> layers |> List.exists (fun (it, _) -> it = title))
        group "networks by chance" _.StartsWith("network ")
        group "models and their logits" _.EndsWith("logits")
        group "all models' keys and shapes" _.EndsWith("whole")
        group "names that would be code" ((=) "hostile names")

        testCase "what PyTorch and Python have of their own is nobody's attribute"
        <| fun () ->
            withPyTorch (fun _ _ said ->
                for list in [ "own"; "keywords" ] do
                    for it in (nonNull said[list]).AsArray() do
                        let it = (nonNull it).GetValue<string>()
                        Expect.notEqual (PythonText.nameOf it) PythonName.Attribute it

                Expect.isEmpty ((nonNull said["new_files"]).AsArray()) "no name has run")

        testCase "noise in training alone"
        <| fun () ->
            withPyTorch (fun asked answers _ ->
                for it, answer in Seq.zip asked (answers.AsArray()) do
                    let answer = nonNull answer

                    if
                        it.Expected.IsSome && it.Title.StartsWith "Dropout" || it.Title.StartsWith "StochasticDepth"
                    then
                        let quiet, loud = floats answer["eval"], floats answer["train"]
                        Expect.equal (floats answer["again"]) quiet "the same in evaluation afterwards"
                        let ratios = Array.map2 (fun q l -> if q = 0.0 then nan else l / q) quiet loud
                        let example = ratios.Length / 3

                        for ratio in ratios |> Array.filter (Double.IsNaN >> not) do
                            Expect.isTrue (ratio = 0.0 || abs (ratio - 2.0) < 1e-12) $"{it.Title}: {ratio}"

                        let perExample =
                            ratios
                            |> Array.chunkBySize example
                            |> Array.map (Array.filter (Double.IsNaN >> not) >> Array.countBy round >> Array.length)

                        if it.Title.StartsWith "StochasticDepth" then
                            Expect.equal perExample [| 1; 1; 1 |] $"{it.Title}: whole examples"
                        else
                            Expect.equal perExample [| 2; 2; 2 |] $"{it.Title}: single numbers")

        testCase "no name changes the code around it"
        <| fun () ->
            let text segments =
                PyTorchCode.ofPlan
                    (facts "n")
                    (planOf image (sequential [ for it in segments -> name it (conv 2 >>> relu) ]))
            // One of each way in which a name can be reached.
            let alike segment =
                match PythonText.nameOf segment with
                | PythonName.Attribute -> segment
                | PythonName.Text -> "3x"
                | PythonName.Taken -> "forward"

            for segment in hostile do
                Expect.equal (bare (text [ segment ])) (bare (text [ alike segment ])) $"%A{segment}"

        testCase "no class's name and no model's changes the code around it"
        <| fun () ->
            let plan = planOf image (conv 2)
            let text name classes = PyTorchCode.ofPlan { facts name with Classes = Some classes } plan
            let plain = bare (text "Network" [ "a"; "b" ])

            for it in hostile do
                Expect.equal (bare (text "Network" [ it; it ])) plain $"%A{it}"
                let named = Regex.Match(bare (text it [ "a"; "b" ]), "(?m)^class (\\w+)\\(").Groups[1].Value
                Expect.isMatch named "^[A-Z][A-Za-z0-9]*$" $"%A{it}"

                Expect.equal
                    ((bare (text it [ "a"; "b" ])).Replace($"class {named}(", "class Network("))
                    plain
                    $"%A{it}"

            for kept in [ "None"; "F"; "Residual"; "Block2"; "LayerScale"; "OrderedDict"; "CLASSES"; "2net"; "" ] do
                Expect.stringContains (text kept []) "class Network(" kept

            Expect.stringContains (text "ResNet" []) "class ResNet(" "its own name"
            Expect.stringContains (text "resnext50_32x4d" []) "class Resnext5032x4d(" "without what is no letter"

        testCase "texts and numbers in Python's spelling"
        <| fun () ->
            for given, spelled in
                [
                    "Kätzchen 猫", "\"Kätzchen 猫\""
                    "a\"b\\c'd", "\"a\\\"b\\\\c'd\""
                    "\n\r\t\u0000\u007f", "\"\\u000a\\u000d\\u0009\\u0000\\u007f\""
                    "\u202e\u2028\ufeff\u00a0", "\"\\u202e\\u2028\\ufeff\\u00a0\""
                    "\U0001F600", "\"\U0001F600\""
                    "\U000E0001", "\"\\U000e0001\""
                    $"{char 0xd800}x", "\"\\ud800x\""
                ] do
                Expect.equal (PythonText.quoted given) spelled "a text"

            for given, spelled in
                [ 1.0, "1.0"; 1e-5, "1e-05"; 0.1, "0.1"; -2.5e300, "-2.5e+300"; nan, "float(\"NaN\")" ] do
                Expect.equal (PythonText.number given) spelled "a number"

        testCase "what is said beside the network"
        <| fun () ->
            let said = {
                facts "Net" with
                    Classes = Some [ "disc"; "Stern" ]
                    Normalisation = Some { Mean = [| 0.5; 0.25; 0.125 |]; Std = [| 1.0; 0.2; 0.3 |] }
            }

            let text = PyTorchCode.ofPlan said (planOf image (conv 2))

            for line in
                [
                    "CLASSES = [\"disc\", \"Stern\"]"
                    "MEAN = [0.5, 0.25, 0.125]"
                    "STD = [1.0, 0.2, 0.3]"
                    "# The network reads [N, 3, 9, 8] and gives [N, 2, 9, 8]."
                    "    model = Net()"
                    "    model.load_state_dict(torch.load(\"weights.pt\", weights_only=True))"
                ] do
                Expect.contains (text.Split '\n') line "a line"

            let silent = PyTorchCode.ofPlan (facts "Net") (planOf image (conv 2))
            Expect.containsAll (silent.Split '\n') [ "CLASSES = None"; "MEAN = None"; "STD = None" ] "unknown"

        testCase "blocks that differ in numbers alone share a class"
        <| fun () ->
            let block channels =
                residual (name "a" (convWith (Conv2d.square 3 channels |> Conv2d.noBias)) >>> name "b" batchNorm)

            let net = sequential [ conv 4; block 4; conv 8; block 8; block 8; block 8 >>> name "act" relu ]
            let text = PyTorchCode.ofPlan (facts "Net") (planOf image net)

            Expect.hasLength
                (Regex.Matches(text, "class "))
                3
                "one for four, one for that with an activation, the network's"

            Expect.stringContains text "def __init__(self, channels):" "what differs is an argument"
            Expect.stringContains text "Residual(channels=4)" "and given"
            Expect.stringContains text "nn.Conv2d(channels, channels, 3, padding=1, bias=False)" "and read"

        testCase "every setting of a layer is one that the code has"
        <| fun () ->
            // A layer that learns another setting has to have it in `PythonLayers` as well.
            let known =
                set [
                    "channels"
                    "kernel"
                    "stride"
                    "padding"
                    "dilation"
                    "groups"
                    "bias"
                    "ceiling"
                    "features"
                    "epsilon"
                    "momentum"
                    "initial"
                    "rate"
                ]

            for layer, _ in Layers.forms do
                for setting, _ in (Layers.facts layer).Settings do
                    Expect.contains known setting (Layers.name layer)

        testCase "a tensor and a part of one name are refused"
        <| fun () ->
            for net in
                [ conv 3 >>> name "weight" (conv 3) |> name "a"; name "a" (conv 3) >>> name "a" (name "bias" relu) ] do
                let plan = planOf image net
                let problem = PyTorchCode.problem plan |> Option.defaultWith (fun () -> failtest "taken")
                Expect.isMatch problem "'a\\.(weight|bias)' is a tensor and a part" "which"

                Expect.throwsT<InvalidOperationException>
                    (fun () -> PyTorchCode.ofPlan (facts "n") plan |> ignore)
                    "refused"

            Expect.isNone (PyTorchCode.problem (planOf image (name "weight" (conv 3)))) "alone it may be called so"

        testCase "a part that is called as PyTorch calls its mode is refused"
        <| fun () ->
            let problem = PyTorchCode.problem (planOf image (name "a" (name "training" (name "b" (conv 3)))))
            Expect.stringContains (Option.defaultValue "" problem) "'training', as 'a.training' is" "which"

        testCase "the same text whatever the culture"
        <| fun () ->
            let text () =
                PyTorchCode.ofPlan (facts "n") (planOf image (sequential [ conv 4; groupNorm 2; dropout 0.25 ]))

            let usual = text ()
            let before = Globalization.CultureInfo.CurrentCulture
            let culture = Globalization.CultureInfo.InvariantCulture.Clone() :?> Globalization.CultureInfo
            culture.NumberFormat.NumberDecimalSeparator <- ","
            culture.NumberFormat.NegativeSign <- "\u200e\u2212"

            try
                Globalization.CultureInfo.CurrentCulture <- culture
                Expect.equal (text ()) usual "the same"
            finally
                Globalization.CultureInfo.CurrentCulture <- before
    ]
