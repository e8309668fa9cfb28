namespace Hybrid

open TorchSharp

/// Turns a plan into calls of libtorch's operations.
module internal Forward =

    open LayerForward

    /// Whether the output of a part is a new tensor that no backward pass of its own will read. An activation keeps
    /// its output for the backward pass; a flattened tensor may be a view of somebody else's.
    let rec private yieldsScratch plan =
        match plan.Node with
        | PlanNode.Layer planned ->
            let facts = Layers.facts planned.Layer
            facts.Storage = Storage.New && facts.Kept <> Kept.Output && not facts.Random
        | PlanNode.Chain [] -> false
        | PlanNode.Chain members -> yieldsScratch (List.last members)
        | PlanNode.Fork _ -> true

    let private concat (branches: Run array) =
        Run(fun x owned mode ->
            let outs = branches |> Array.map _.Invoke(x, false, mode)
            let joined = torch.cat (outs, 1L)
            outs |> Array.iter (release [ x ])

            if owned then
                x.Dispose()

            joined)

    /// Adds into the first branch that made a tensor of its own, where nothing else needs that tensor.
    let private add (x: Tensor) (a: Tensor, aScratch) (b: Tensor, bScratch) =
        let mine scratch tensor = scratch && not (obj.ReferenceEquals(x, tensor))

        let total =
            if mine aScratch a then a.add_ b
            elif mine bScratch b then b.add_ a
            else a.add b

        release [ x; total ] a
        release [ x; total ] b
        total, true

    let private sum (branches: (Run * bool) array) =
        Run(fun x owned mode ->
            let total, _ =
                branches
                |> Array.map (fun (branch, scratch) -> branch.Invoke(x, false, mode), scratch)
                |> Array.reduce (add x)

            if owned then
                x.Dispose()

            total)

    let private product (branches: Run array) =
        Run(fun x owned mode ->
            let outs = branches |> Array.map _.Invoke(x, false, mode)

            let times (a: Tensor) (b: Tensor) =
                let both = a.mul b
                release [ x ] a
                release [ x; a ] b
                both

            let all = Array.reduce times outs

            if owned then
                x.Dispose()

            all)

    /// `overwrite` says that what the part reads may be written over, since no backward pass needs it.
    let rec private part weights overwrite plan =
        match plan.Node with
        | PlanNode.Layer planned -> (operation weights overwrite planned).Run
        | PlanNode.Chain members -> chain weights overwrite members
        | PlanNode.Fork(Join.Concat, branches) -> [| for branch in branches -> part weights false branch |] |> concat
        | PlanNode.Fork(Join.Product, branches) -> [| for branch in branches -> part weights false branch |] |> product
        | PlanNode.Fork(Join.Sum, branches) ->
            [| for branch in branches -> part weights false branch, yieldsScratch branch |] |> sum

    and private chain weights overwrite members =
        let runs = [|
            for overwrite, one in
                List.zip (overwrite :: List.map yieldsScratch members |> List.truncate members.Length) members do
                part weights overwrite one
        |]

        Run(fun x owned mode ->
            let mutable y = x
            let mutable mine = owned

            for run in runs do
                let next = run.Invoke(y, mine, mode)
                mine <- mine || not (obj.ReferenceEquals(next, y))
                y <- next

            y)

    let compile (weights: Weights) = part weights false weights.Plan
