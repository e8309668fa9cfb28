namespace Hybrid

open System
open System.Collections.Generic

/// What a file of PyTorch code says beside the network.
type PyTorchFacts = {
    /// The network's name; the class is called so as far as Python allows.
    Name: string
    /// Names of the classes, in the order of the outputs, where they are known.
    Classes: string list option
    /// What pixels are normalised by, where that is known.
    Normalisation: Normalisation option
}

/// A network as Python: plain `nn.Module` code for PyTorch 1.13 and later, whose `state_dict` has the keys and shapes of
/// the plan. Whatever a name holds, it stands in a literal or is refused: nothing of it becomes code.
[<RequireQualifiedAccess>]
module PyTorchCode =

    /// What every such file begins with.
    let start = "# Written by Hybrid"

    /// Modules written inside one another before one gets a class of its own.
    let private deepest = 3

    let private words text = Python.Words text

    let private segments (plan: Plan) = if plan.Path = "" then [] else plan.Path.Split '.' |> List.ofArray

    /// Whether a part hands on what it reads.
    let private isEmpty plan = Plan.sequence plan |> List.isEmpty

    /// A layer of a plan that has no tensors.
    let private (|Bare|_|) (plan: Plan) =
        match plan.Node with
        | PlanNode.Layer { Tensors = []; Layer = layer } -> Some layer
        | _ -> None

    /// A part of a module by its name.
    let private part (holder: string) segment =
        match PythonText.nameOf segment with
        | PythonName.Attribute -> $"{holder}.{segment}"
        | PythonName.Text -> $"getattr({holder}, {PythonText.quoted segment})"
        | PythonName.Taken -> $"{holder}._modules[{PythonText.quoted segment}]"

    /// Gives a module a part under a name.
    let private give (holder: string) segment (value: Python) =
        match PythonText.nameOf segment with
        | PythonName.Text -> PythonLayers.call $"{holder}.add_module" [ words (PythonText.quoted segment); value ]
        | PythonName.Attribute
        | PythonName.Taken -> Python.Together [ words $"{part holder segment} = "; value ]

    /// Parts of one module's code: which paths it writes out itself, and what lies below those.
    type private Scope(home: string list, plan: Plan) =

        /// The path of the module that holds a part: a segment below the ones that are written out.
        let holderOf (opened: Set<string list>) (path: string list) =
            let rec go (known: string list) rest =
                match rest with
                | [] -> known
                | segment :: more ->
                    let next = known @ [ segment ]
                    if opened.Contains next then go next more else next

            go home (List.skip home.Length path)

        /// A layer without tensors needs no module, where that had no name that one would write.
        let isCall path (plan: Plan) =
            match plan with
            | Bare _ -> PythonText.nameOf (List.last path) <> PythonName.Attribute
            | _ -> false

        let isInside (opened: Set<string list>) plan =
            let path = segments plan
            opened.Contains path || isCall path plan

        let rec outside opened (plan: Plan) : (string list * Plan) list =
            if isInside opened plan then
                match plan.Node with
                | PlanNode.Layer _ -> []
                | PlanNode.Chain members
                | PlanNode.Fork(_, members) -> List.collect (outside opened) members
            elif isEmpty plan then
                []
            else
                [ holderOf opened (segments plan), plan ]

        /// One module that is called again and again.
        let isShared path (plans: Plan list) =
            match plans with
            | Bare first :: rest ->
                rest
                |> List.forall (fun plan ->
                    match plan with
                    | Bare layer -> layer = first
                    | _ -> false)
                && plans |> List.forall (fun plan -> segments plan = path)
            | _ -> false

        /// A module whose parts are called in several places is written out as a mere holder of them.
        let rec opened (known: Set<string list>) =
            let several =
                outside known plan
                |> List.groupBy fst
                |> List.filter (fun (path, found) -> found.Length > 1 && not (isShared path (List.map snd found)))
                |> List.map fst

            if several.IsEmpty then known else opened (Set.union known (set several))

        let opened = opened (Set.singleton home)

        /// Whether a part is written out here.
        member _.IsInside(plan: Plan) = isInside opened plan

        /// The path of the module that does a part.
        member _.HolderOf(plan: Plan) = holderOf opened (segments plan)

        /// Python's name of a module of this scope.
        member _.Name(path: string list) = List.skip home.Length path |> List.fold part "self"

        /// What a part does, one after the other.
        member scope.Steps(plan: Plan) : Plan list =
            if not (scope.IsInside plan) then
                (if isEmpty plan then [] else [ plan ])
            else
                match plan.Node with
                | PlanNode.Chain members -> List.collect scope.Steps members
                | PlanNode.Layer _
                | PlanNode.Fork _ -> [ plan ]

    /// What a file needs besides its network's class.
    type private Draft = { Classes: PythonClasses; Helpers: HashSet<string> }

    /// The lines of `forward` and what they return.
    let private forward (draft: Draft) (scope: Scope) plan : Python list =
        let lines = ResizeArray<Python>()
        let mutable branches = 0

        let set (target: string) value = lines.Add(Python.Together [ words $"{target} = "; value ])

        let isFork (plan: Plan) =
            match plan.Node with
            | PlanNode.Fork _ -> scope.IsInside plan
            | PlanNode.Layer _
            | PlanNode.Chain _ -> false

        /// All but the last step into the variable `mine`.
        let rec flow plan (x: string) mine : Python =
            let steps = scope.Steps plan

            let step x (plan: Plan) =
                if not (scope.IsInside plan) then
                    PythonLayers.call (scope.Name(scope.HolderOf plan)) [ words x ]
                else
                    match plan.Node with
                    | PlanNode.Layer layer ->
                        let holder = if layer.Tensors.IsEmpty then "self" else scope.Name(segments plan)
                        PythonLayers.asCall draft.Helpers holder layer x
                    | PlanNode.Fork(join, parts) -> parts |> List.map (branch x) |> PythonLayers.joined join
                    | PlanNode.Chain _ -> flow plan x mine

            match List.tryLast steps with
            | None -> words x
            | Some last ->
                let before = List.take (steps.Length - 1) steps

                let x =
                    (x, before)
                    ||> List.fold (fun x plan ->
                        set mine (step x plan)
                        mine)

                step x last

        and branch x plan : Python =
            match scope.Steps plan with
            | [] -> words x
            | [ single ] when not (isFork single) -> flow plan x ""
            | _ ->
                branches <- branches + 1
                let mine = if branches = 1 then "y" else $"y{branches}"
                set mine (flow plan x mine)
                words mine

        let result = flow plan "x" "x"
        lines.Add(Python.Together [ words "return "; result ])
        List.ofSeq lines

    let private block = "Block"

    let private kind join =
        match join with
        | Join.Sum -> "Residual"
        | Join.Concat -> "Branches"
        | Join.Product -> "Scaled"

    let private kinds = [ block; kind Join.Sum; kind Join.Concat; kind Join.Product ]

    /// What a block is called: by how its branches come together.
    let private kindOf (scope: Scope) (plan: Plan) =
        scope.Steps plan
        |> List.tryPick (fun plan ->
            match plan.Node with
            | PlanNode.Fork(join, _) when scope.IsInside plan -> Some(kind join)
            | PlanNode.Fork _
            | PlanNode.Chain _
            | PlanNode.Layer _ -> None)
        |> Option.defaultValue block

    let rec private body draft home plan : PythonBody =
        let scope = Scope(home, plan)
        let setup = ResizeArray<Python>()
        let there = HashSet<string list>([ home ])

        /// The holders above a path, and that of the path itself if it is one.
        let rec hold (path: string list) =
            if path.Length > home.Length && there.Add path then
                let above = List.take (path.Length - 1) path
                hold above
                setup.Add(give (scope.Name above) (List.last path) (words "nn.Module()"))

        let rec walk (plan: Plan) =
            if scope.IsInside plan then
                match plan.Node with
                | PlanNode.Layer { Tensors = [] } -> ()
                | PlanNode.Layer layer ->
                    hold (segments plan)
                    setup.AddRange(PythonLayers.tensors (scope.Name(segments plan)) layer)
                | PlanNode.Chain members
                | PlanNode.Fork(_, members) -> List.iter walk members
            elif not (isEmpty plan) then
                let path = scope.HolderOf plan
                let above = List.take (path.Length - 1) path
                hold above

                if there.Add path then
                    setup.Add(give (scope.Name above) (List.last path) (makeModule draft 0 path plan))

        walk plan

        {
            Kind = kindOf scope plan
            Setup = List.ofSeq setup
            Forward = forward draft scope plan
        }

    /// What makes the module at a path, which alone does this part of the plan.
    and private makeModule draft depth path (plan: Plan) : Python =
        let rec steps (plan: Plan) =
            match plan.Node with
            | PlanNode.Chain members when segments plan = path -> List.collect steps members
            | _ when isEmpty plan -> []
            | _ -> [ plan ]

        match plan.Node with
        | PlanNode.Layer layer when segments plan = path -> PythonLayers.asModule draft.Helpers plan layer
        | _ ->
            let steps = steps plan
            let below = steps |> List.map (fun plan -> segments plan |> List.tryItem path.Length)
            let names = List.choose id below

            let isSequence =
                depth < deepest
                && names.Length = steps.Length
                && (List.distinct names).Length = names.Length
                && names |> List.forall (fun name -> PythonText.nameOf name <> PythonName.Taken)

            if not isSequence then
                draft.Classes.Make(body draft path plan)
            else
                let modules =
                    List.map2 (fun name plan -> makeModule draft (depth + 1) (path @ [ name ]) plan) names steps

                if names = List.init names.Length string then
                    Python.Rows("nn.Sequential(", modules, ")")
                else
                    let pairs =
                        List.map2
                            (fun name it -> PythonLayers.call "" [ words (PythonText.quoted name); it ])
                            names
                            modules

                    draft.Helpers.Add "OrderedDict" |> ignore
                    Python.Rows("nn.Sequential(OrderedDict([", pairs, "]))")

    /// Words that a network's class may not be called.
    let private used = set (PythonLayers.helperNames @ [ "F"; "CLASSES"; "MEAN"; "STD"; "OrderedDict" ])

    /// Letters and digits of a name, the first one large.
    let private className (name: string) =
        let plain = name |> String.filter (fun it -> Char.IsAsciiLetterOrDigit it)
        let word = if plain = "" then "" else $"{Char.ToUpperInvariant plain[0]}{plain[1..]}"
        // Those of blocks are numbered.
        let isBlock = kinds |> List.contains (word.TrimEnd [| '0' .. '9' |])

        if word = "" || Char.IsAsciiDigit word[0] || PythonText.isKeyword word || used.Contains word || isBlock then
            "Network"
        else
            word

    let private listed (items: string list) = items |> String.concat ", " |> sprintf "[%s]"

    let private heading (facts: PyTorchFacts) (used: HashSet<string>) name (plan: Plan) =
        let orNone values = values |> Option.map listed |> Option.defaultValue "None"
        let numbers values = values |> Seq.map PythonText.number |> List.ofSeq
        let shape sides = "N" :: List.map PythonText.whole (Shape.dims sides) |> listed
        let normalised = facts.Normalisation
        let classes = facts.Classes |> Option.map (List.map PythonText.quoted)

        [
            $"{start} from a network's plan. It needs PyTorch 1.13 or later, and nothing of Hybrid."
            "\"\"\"A convolutional classifier as plain PyTorch."
            ""
            "The weights are in another file. Of a checkpoint,"
            ""
            "    hybrid export --checkpoint FILE --to weights.pt"
            ""
            "writes them under the names that they have here:"
            ""
            $"    model = {name}()"
            "    model.load_state_dict(torch.load(\"weights.pt\", weights_only=True))"
            "    model.eval()"
            ""
            "With the package safetensors, of a file that ends in .safetensors:"
            ""
            "    model.load_state_dict(safetensors.torch.load_file(\"weights.safetensors\"))"
            ""
            "Without a file, the first weights are PyTorch's own and not those of the published network."
            "\"\"\""
            ""
            if used.Contains "OrderedDict" then
                "from collections import OrderedDict"
                ""
            "import torch"
            "from torch import nn"
            "from torch.nn import functional as F"
            ""
            $"# The network reads {shape plan.In} and gives {shape plan.Out}."
            if plan.In.IsImage then
                "# Of an image it reads (pixels / 255 - MEAN) / STD, channel by channel; None where that is not known."
                $"MEAN = {orNone (normalised |> Option.map (fun it -> numbers it.Mean))}"
                $"STD = {orNone (normalised |> Option.map (fun it -> numbers it.Std))}"
            "# The classes' names, in the order of the outputs; None where they are not known."
            $"CLASSES = {orNone classes}"
            ""
            ""
            ""
        ]

    /// Where every module notes whether it is in training, so that no part of it can be called so.
    let private mode = "training"

    /// Why a plan cannot be written so, where it cannot.
    let problem (plan: Plan) : string option =
        let modules =
            HashSet<string>(
                seq {
                    for part, _ in Plan.layers plan do
                        let path = segments part
                        for length in 1 .. path.Length -> path |> List.take length |> String.concat "."
                }
            )

        match Plan.stateTensors plan |> List.tryFind (fun spec -> modules.Contains spec.Key) with
        | Some spec ->
            Some
                $"PyTorch has one name for one thing, and '{spec.Key}' is a tensor and a part of the network at once: name that part otherwise"
        | None ->
            modules
            |> Seq.tryFind (fun path -> Array.last (path.Split '.') = mode)
            |> Option.map (fun path ->
                $"no part of a module of PyTorch can be called '{mode}', as '{path}' is: name it otherwise")

    /// The text of a Python file with a class for the network, equal for equal plans. Throws `InvalidOperationException`
    /// where that cannot be, which `problem` says beforehand.
    let ofPlan (facts: PyTorchFacts) (plan: Plan) : string =
        problem plan |> Option.iter invalidOp
        let draft = { Classes = PythonClasses(); Helpers = HashSet() }
        let network = body draft [] plan
        let name = className facts.Name

        let pieces =
            PythonLayers.helpersOf draft.Helpers @ draft.Classes.Texts @ [ draft.Classes.Text(name, network) ]

        String.Join('\n', heading facts draft.Helpers name plan) + String.concat "\n\n" pieces
