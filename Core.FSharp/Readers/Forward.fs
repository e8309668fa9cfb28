namespace Hybrid

open TorchSharp

/// Runs a part of a network on `x`. `owned` says that the caller has no more use for `x`: it is then released, or
/// written over, as soon as the part has read it. Gives `x` itself back where the part changes nothing.
type internal Run = delegate of x: Tensor * owned: bool * training: bool -> Tensor

/// Turns a plan into calls of libtorch's operations.
module internal Forward =

    type private F = torch.nn.functional

    /// Lets go of `x`, unless it is one of the tensors that live on. TorchSharp's in-place operations give back the
    /// tensor that they were called on.
    let private release (kept: Tensor list) (x: Tensor) =
        if not (kept |> List.exists (fun it -> obj.ReferenceEquals(it, x))) then
            x.Dispose()

    let private pair (side: int) = [| int64 side; int64 side |]

    /// An operation that makes a new tensor: its input goes as soon as it is done.
    let private fresh (operation: Tensor -> bool -> Tensor) =
        Run(fun x owned training ->
            let y = operation x training

            if owned then
                x.Dispose()

            y)

    let private activate kind overwrite =
        let apply, applyInPlace =
            match kind with
            | Activation.Relu -> (fun (x: Tensor) -> x.relu ()), Some(fun (x: Tensor) -> x.relu_ ())
            | Activation.Tanh -> (fun (x: Tensor) -> x.tanh ()), Some(fun (x: Tensor) -> x.tanh_ ())
            | Activation.LeakyRelu ->
                (fun (x: Tensor) -> F.leaky_relu (x, 0.01)), Some(fun (x: Tensor) -> x.leaky_relu_ 0.01)
            | Activation.Gelu -> (fun (x: Tensor) -> F.gelu x), None

        match applyInPlace with
        | Some applyInPlace when overwrite ->
            Run(fun x owned _ ->
                if owned then
                    let y = applyInPlace x
                    release [ y ] x
                    y
                else
                    apply x)
        | _ -> fresh (fun x _ -> apply x)

    let private batchNorm (weights: Weights) (layer: LayerPlan) =
        let tensor role = weights[(layer.Tensors |> List.find (fun spec -> spec.Role = role)).Key]

        let weight, bias = tensor Role.Weight, tensor Role.Bias
        let mean, var = tensor Role.RunningMean, tensor Role.RunningVar
        // Momentum and epsilon are PyTorch's defaults, which the published networks keep.
        fresh (fun x training -> F.batch_norm (x, mean, var, weight, bias, training, 0.1, 1e-5))

    let private weightAndBias (weights: Weights) (layer: LayerPlan) : Tensor * (Tensor | null) =
        match layer.Tensors with
        | [ weight; bias ] -> weights[weight.Key], weights[bias.Key]
        | weight :: _ -> weights[weight.Key], null
        | [] -> invalidOp $"{Layer.name layer.Layer} has no weight"

    let private narrowed (dtype: torch.ScalarType) (tensor: Tensor | null) : Tensor | null =
        match tensor with
        | null -> null
        | tensor -> tensor.``to`` dtype

    /// Fewer input channels than this fill no vector of the processor.
    let private vector = 16

    /// A convolution as a function of its input, weight and bias.
    /// For a strided 1×1 convolution of few channels the pixels that it reads are picked out first, which comes to the
    /// same numbers: oneDNN's own way (libtorch 2.10, AVX-512, channels last) writes outside its memory in the backward
    /// pass when the batch size is odd.
    let private convolve (conv: Conv2d) (plan: LayerPlan) : Tensor -> Tensor -> (Tensor | null) -> Tensor =
        let stride, padding, dilation = pair conv.Stride, pair conv.Padding, pair 1

        match plan.Tensors with
        | { Dims = [ _; channels; 1; 1 ] } :: _ when conv.Stride > 1 && conv.Padding = 0 && channels < vector ->
            let step, unit = int64 conv.Stride, pair 1

            fun x weight bias ->
                use rows = x.slice (2L, 0L, x.shape[2], step)
                use picked = rows.slice (3L, 0L, x.shape[3], step)
                F.conv2d (picked, weight, bias, unit, padding, dilation, 1L)
        | _ -> fun x weight bias -> F.conv2d (x, weight, bias, stride, padding, dilation, 1L)

    /// `overwrite`: what the layer reads may be written over, since no backward pass needs it.
    let private layer (weights: Weights) overwrite (plan: LayerPlan) =
        match plan.Layer with
        | Layer.Conv2d conv ->
            let weight, bias = weightAndBias weights plan
            let convolve = convolve conv plan
            let dtype = weights.Placement.DType

            if dtype = Placement.storage weights.Placement then
                fresh (fun x _ -> convolve x weight bias)
            else
                fresh (fun x _ ->
                    use weight = weight.``to`` dtype
                    use bias = narrowed dtype bias
                    convolve x weight bias)
        | Layer.Linear _ ->
            let weight, bias = weightAndBias weights plan
            let dtype = Placement.storage weights.Placement

            if dtype = weights.Placement.DType then
                fresh (fun x _ -> F.linear (x, weight, bias))
            else
                // The last sums of a network are in float32 whatever came before.
                fresh (fun x _ ->
                    use wide = x.``to`` dtype
                    F.linear (wide, weight, bias))
        | Layer.BatchNorm2d -> batchNorm weights plan
        | Layer.Activation kind -> activate kind overwrite
        | Layer.MaxPool2d pool ->
            let kernel, stride, padding, dilation = pair pool.Kernel, pair pool.Stride, pair pool.Padding, pair 1
            fresh (fun x _ -> F.max_pool2d (x, kernel, stride, padding, dilation, false))
        | Layer.AvgPool2d pool ->
            let kernel, stride, padding = pair pool.Kernel, pair pool.Stride, pair pool.Padding
            fresh (fun x _ -> F.avg_pool2d (x, kernel, stride, padding))
        | Layer.AdaptiveAvgPool2d ->
            let size = pair 1
            fresh (fun x _ -> F.adaptive_avg_pool2d (x, size))
        | Layer.Flatten -> fresh (fun x _ -> x.flatten (1L, -1L))

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

    let private concat (branches: Run array) =
        Run(fun x owned training ->
            let outs = branches |> Array.map _.Invoke(x, false, training)
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
        Run(fun x owned training ->
            let total, _ =
                branches
                |> Array.map (fun (branch, scratch) -> branch.Invoke(x, false, training), scratch)
                |> Array.reduce (add x)

            if owned then
                x.Dispose()

            total)

    let rec private part weights overwrite plan =
        match plan.Node with
        | PlanNode.Layer planned -> layer weights overwrite planned
        | PlanNode.Chain members ->
            let overwrites = overwrite :: List.map yieldsScratch members
            let runs = List.map2 (part weights) (List.take members.Length overwrites) members |> Array.ofList

            Run(fun x owned training ->
                let mutable y = x
                let mutable mine = owned

                for run in runs do
                    let next = run.Invoke(y, mine, training)
                    mine <- mine || not (obj.ReferenceEquals(next, y))
                    y <- next

                y)
        | PlanNode.Fork(_, [ only ]) -> part weights overwrite only
        // Every branch reads the input, so none may write over it.
        | PlanNode.Fork(Join.Concat, branches) -> branches |> List.map (part weights false) |> Array.ofList |> concat
        | PlanNode.Fork(Join.Sum, branches) ->
            branches
            |> List.map (fun branch -> part weights false branch, yieldsScratch branch)
            |> Array.ofList
            |> sum

    let compile (weights: Weights) = part weights false weights.Plan
