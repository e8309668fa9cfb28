namespace Hybrid

open TorchSharp

/// Turns a plan into calls of libtorch's operations.
module internal Forward =

    open LayerForward

    /// Whether the output of a part is a new tensor that no backward pass of its own will read. An activation keeps
    /// its output for the backward pass; a flattened tensor may be a view of somebody else's.
    let rec private yieldsScratch plan =
        match plan.Node with
        | PlanNode.Layer { Layer = Layer.Activation _ | Layer.Flatten } -> false
        | PlanNode.Layer _ -> true
        | PlanNode.Chain [] -> false
        | PlanNode.Chain members -> yieldsScratch (List.last members)
        | PlanNode.Fork(_, [ only ]) -> yieldsScratch only
        | PlanNode.Fork _ -> true

    /// What branches make of their common input, side by side.
    let private concat (branches: Tensor -> bool -> Tensor array) =
        Run(fun x owned training ->
            let outs = branches x training
            let joined = torch.cat (outs, 1L)
            outs |> Array.iter (release [ x ])

            if owned then
                x.Dispose()

            joined)

    /// The tensors of all siblings as one, by their outputs.
    let private joined (parts: Tensor array) = torch.cat (parts, 0L)

    /// What each of some siblings makes of their common input.
    let private siblings
        (weights: Weights)
        (family: Siblings)
        (channels: int64 array)
        : Tensor -> bool -> Tensor array =
        let tensors layers role =
            layers |> List.choose (fun layer -> tensor weights layer role |> Option.ofObj) |> Array.ofList

        let kernels, biases = tensors family.Convs Role.Weight, tensors family.Convs Role.Bias
        let scales, shifts = tensors family.Norms Role.Weight, tensors family.Norms Role.Bias
        let means, vars = tensors family.Norms Role.RunningMean, tensors family.Norms Role.RunningVar
        let conv = Conv2d.square 1 (int (Array.sum channels)) |> Conv2d.padding 0
        let convolve = convolve weights.Placement conv (int kernels[0].shape[1]) true
        let activate = activate family.Activation true

        /// The joined statistics after a batch, back where each norm keeps its own.
        let keep (own: Tensor array) (all: Tensor) =
            use _ = torch.no_grad ()
            let parts = all.split channels
            Array.iter2 (fun (own: Tensor) (part: Tensor) -> own.copy_ part |> ignore) own parts
            parts |> Array.iter _.Dispose()

        fun x training ->
            use kernel = joined kernels
            use bias = if biases.Length > 0 then joined biases else null
            use scale = joined scales
            use shift = joined shifts
            use mean = joined means
            use var = joined vars
            use sums = convolve x kernel bias training
            let y = normalise sums mean var scale shift training

            if training then
                keep means mean
                keep vars var

            use y = activate.Invoke(y, true, training)
            y.split (channels, 1L)

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
        Run(fun x owned training ->
            let total, _ =
                branches
                |> Array.map (fun (branch, scratch) -> branch.Invoke(x, false, training), scratch)
                |> Array.reduce (add x)

            if owned then
                x.Dispose()

            total)

    /// Of a branch: others read its input too, and a join reads what it gives.
    let private shared = { Overwrite = false; Normed = false }

    let private isNorm plan =
        match plan.Node with
        | PlanNode.Layer { Layer = Layer.BatchNorm2d } -> true
        | _ -> false

    let rec private part weights around plan =
        match plan.Node with
        | PlanNode.Layer planned -> layer weights around planned
        | PlanNode.Chain members -> chain weights around members
        | PlanNode.Fork(_, [ only ]) -> part weights around only
        | PlanNode.Fork(Join.Concat, branches) ->
            match Siblings.find branches with
            | Some family when weights.Placement.Layout.IsChannelsLast -> concat (ofFamily weights family)
            | _ ->
                let runs = [| for branch in branches -> part weights shared branch |]
                concat (fun x training -> runs |> Array.map _.Invoke(x, false, training))
        | PlanNode.Fork(Join.Sum, branches) ->
            branches
            |> List.map (fun branch -> part weights shared branch, yieldsScratch branch)
            |> Array.ofList
            |> sum

    and private chain weights around members =
        let count = members.Length
        let overwrite = around.Overwrite :: List.map yieldsScratch members |> List.truncate count
        let normed = List.map isNorm members @ [ around.Normed ] |> List.skip 1

        let runs = [|
            for overwrite, normed, one in List.zip3 overwrite (List.truncate count normed) members do
                part weights { Overwrite = overwrite; Normed = normed } one
        |]

        Run(fun x owned training ->
            let mutable y = x
            let mutable mine = owned

            for run in runs do
                let next = run.Invoke(y, mine, training)
                mine <- mine || not (obj.ReferenceEquals(next, y))
                y <- next

            y)

    /// Branches of which the siblings run as one.
    and private ofFamily weights (family: Family) =
        let siblings =
            siblings weights family.Siblings [| for _, channels, _ in family.Members -> int64 channels |]
        // A sibling's output is a view of what its activation keeps for the backward pass.
        let members = [| for place, _, rest in family.Members -> place, chain weights shared rest |]
        let others = [| for place, branch in family.Others -> place, part weights shared branch |]

        fun x training ->
            let outs = Array.zeroCreate<Tensor>(members.Length + others.Length)

            for (place, rest), front in Array.zip members (siblings x training) do
                outs[place] <- rest.Invoke(front, true, training)

            for place, branch in others do
                outs[place] <- branch.Invoke(x, false, training)

            outs

    let compile (weights: Weights) = part weights shared weights.Plan
