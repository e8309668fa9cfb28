namespace Hybrid

open TorchSharp

/// A plan's way forth in training together with its way back: what autograd would find, with the order of things known
/// beforehand. So norms, activations and sums go through memory once, gradients are added up where they are written, and
/// a map lives for as long as something will read it.
module internal Gradient =

    open Patterns
    open ConvGradient
    open LayerGradient
    open NormGradient

    /// What surrounds a part of a network.
    type private Around = {
        /// The gradient of its input is asked for: it is no batch.
        Wanted: bool
        /// A norm reads its output, and nothing else does.
        Normed: bool
    }

    let private branch = { Wanted = true; Normed = false }

    let private single (weights: Weights) around (out: Shape) (layer: LayerPlan) : ForwardPass =
        match layer.Layer with
        | Layer.Conv2d conv -> convolution weights conv [ layer ] around.Normed around.Wanted
        | Layer.Linear _ -> linear weights layer
        | Layer.BatchNorm2d -> normalise weights layer false
        | Layer.Activation kind when Backward.knows kind -> activation kind
        | Layer.MaxPool2d pool -> maxPool pool (Shape.dims out |> List.map int64)
        | Layer.AvgPool2d pool -> averagePool pool
        | Layer.AdaptiveAvgPool2d -> globalAveragePool
        | Layer.Flatten -> flatten
        // Right for any layer, so that a new one trains at once.
        | _ -> byAutograd weights layer

    /// When a branch goes back: first what hands on what it is given, last what adds to the others' gradient in passing.
    let private turn (branch: Plan list) =
        match branch with
        | [] -> 0
        | Conv(Pointwise step, _) :: _ when step <> Sides.square 1 -> 3
        | Layer { Layer = Layer.BatchNorm2d | Layer.MaxPool2d _ } :: _ -> 2
        | _ -> 1

    /// Some branches of a concatenation. `Run` takes the input and the part of the whole that belongs to the branch at some
    /// place, which it writes, and gives the pullback, which takes the gradient of each of those parts.
    type private Limb = {
        Turn: int
        Run: Flow -> (int -> Tensor) -> (torch.Generator | null) -> ((int -> Flow) -> Flow voption -> Flow)
    }

    let rec private chain (weights: Weights) around (plans: Plan list) : ForwardPass =
        plans |> steps weights around |> Array.ofList |> Flows.sequence

    and private steps weights around plans : ForwardPass list =
        let inside = { around with Wanted = true }

        match plans with
        | [] -> []
        | NormRelu(layer, rest) -> normalise weights layer true :: steps weights inside rest
        | SumWithNorm(before, norm, shortcut) :: rest ->
            let relu, rest = takeRelu rest
            residual weights norm relu before shortcut :: steps weights inside rest
        | Fork(Join.Sum, branches) :: rest -> sum weights branches :: steps weights inside rest
        | Fork(Join.Product, branches) :: rest -> product weights branches :: steps weights inside rest
        | { Node = PlanNode.Fork(Join.Concat, branches) } as plan :: rest ->
            concat weights plan branches :: steps weights inside rest
        | Layer layer as plan :: rest ->
            let normed =
                match rest with
                | [] -> around.Normed
                | Norm _ :: _ -> true
                | _ -> false

            single weights { around with Normed = normed } plan.Out layer :: steps weights inside rest
        | plan :: rest -> steps weights around (Plan.sequence plan @ rest)

    /// A sum of a branch that ends with a norm and of another one.
    and private residual weights layer relu body shortcut : ForwardPass =
        let run = chain weights { branch with Normed = true } body
        let other = chain weights branch shortcut
        let join = normaliseInto weights layer relu

        ForwardPass(fun x _ draws ->
            let struct (main, back) = run.Invoke(Flow.share x, null, draws)
            let struct (side, sideBack) = other.Invoke({ x with Free = false }, null, draws)
            let struct (y, split) = join main side

            struct (y,
                    Pullback(fun dy others ->
                        let struct (dMain, dSide) = split dy

                        others
                        |> Flows.together [
                            turn body, (fun others -> back.Invoke(dMain, others))
                            turn shortcut, (fun others -> sideBack.Invoke(dSide, others))
                        ])))

    and private sum weights (branches: Plan list list) : ForwardPass =
        let runs = [ for plans in branches -> turn plans, chain weights branch plans ]

        ForwardPass(fun x _ draws ->
            let outs = [ for turn, run in runs -> turn, run.Invoke(Flow.share x, null, draws) ]
            Flow.drop x

            struct (outs |> List.map (fun (_, struct (y, _)) -> y) |> List.reduce Flow.add,
                    Pullback(fun dy others ->
                        let backs = [
                            for turn, struct (_, back) in outs do
                                let dy = Flow.share dy
                                turn, (fun others -> back.Invoke(dy, others))
                        ]

                        Flow.drop dy
                        Flows.together backs others)))

    /// The gradient of a factor is that of the product times all other factors, added up where the factor is one number for
    /// a whole map.
    and private product weights (branches: Plan list list) : ForwardPass =
        let runs = [ for plans in branches -> turn plans, chain weights branch plans ]

        ForwardPass(fun x _ draws ->
            let outs = [ for turn, run in runs -> turn, run.Invoke(Flow.share x, null, draws) ]
            Flow.drop x
            let factors = [ for _, struct (y, _) in outs -> y.Map ]
            let product = Flows.product factors

            struct (Flow.free product,
                    Pullback(fun dy others ->
                        let backs = [
                            for place, (turn, struct (_, back)) in List.indexed outs do
                                let slope = Flows.slopeOfFactor dy.Map factors place
                                turn, (fun others -> back.Invoke(Flow.free slope, others))
                        ]

                        factors |> List.iter _.Dispose()
                        Flow.drop dy
                        Flows.together backs others)))

    /// Every branch writes its part of the whole, where it can.
    and private concat (weights: Weights) (plan: Plan) (branches: Plan list) : ForwardPass =
        let counts = [| for branch in branches -> int64 (Shape.channels branch.Out) |]
        let starts = counts |> Array.scan (+) 0L

        let branches = List.map Plan.sequence branches

        let limbs =
            match Family.find branches with
            | Some family ->
                siblings weights family :: [ for place, branch in family.Others -> limb weights place branch ]
            | None -> [ for place, branch in List.indexed branches -> limb weights place branch ]

        let size = Shape.dims plan.Out |> List.map int64
        let placement = weights.Placement
        // Features that a linear layer has made are in float32 whatever came before.
        let dtype = if plan.Out.IsImage then placement.DType else Placement.storage placement

        ForwardPass(fun x _ draws ->
            let all = Flow.empty [| x.Map.shape[0]; yield! size |] dtype
            let slice (all: Tensor) place = all.narrow (1L, starts[place], counts[place])
            let backs = [ for limb in limbs -> limb.Turn, limb.Run (Flow.share x) (slice all) draws ]
            Flow.drop x

            struct (Flow.free all,
                    Pullback(fun dy others ->
                        let part place = { dy with Map = slice dy.Map place }
                        let found = others |> Flows.together [ for turn, back in backs -> turn, back part ]
                        Flow.drop dy
                        found)))

    and private limb weights place plans : Limb =
        let run = chain weights branch plans

        {
            Turn = turn plans
            Run =
                fun x part draws ->
                    let into = part place
                    let struct (y, back) = run.Invoke(x, into, draws)
                    Flows.settle into y
                    fun gradient others -> back.Invoke(gradient place, others)
        }

    /// One convolution for several branches. Each reads its part of the output, and writes its gradient over it.
    and private siblings weights (family: Family) : Limb =
        let counts = family.Siblings |> List.map _.Channels
        let starts = counts |> List.scan (+) 0 |> List.truncate counts.Length
        let conv = { Conv2d.square 1 (List.sum counts) with Bias = family.Bias }
        let run = convolution weights conv [ for sibling in family.Siblings -> sibling.Conv ] true true

        let members = [
            for sibling, start in List.zip family.Siblings starts do
                sibling.Place, int64 start, int64 sibling.Channels, chain weights branch sibling.Rest
        ]

        {
            Turn = 1
            Run =
                fun x part draws ->
                    let struct (joint, convBack) = run.Invoke(x, null, draws)

                    let backs = [
                        for place, start, count, member' in members do
                            let own = Flow.free (joint.Map.narrow (1L, start, count))
                            let into = part place
                            let struct (y, back) = member'.Invoke(own, into, draws)
                            Flows.settle into y
                            place, back
                    ]

                    fun gradient others ->
                        for place, back in backs do
                            Flow.drop (back.Invoke(gradient place, ValueNone))

                        convBack.Invoke(joint, others)
        }

    /// Whether networks at that place have a way back here; elsewhere autograd has to find it.
    let supports (placement: Placement) =
        placement.Device.``type`` = DeviceType.CPU
        && placement.Layout.IsChannelsLast
        && (placement.DType = torch.ScalarType.Float32 || placement.DType = torch.ScalarType.BFloat16)

    /// From a batch to what the network makes of it in training, and from the gradient of that back to what is gathered
    /// of the parameters' gradients. Moves the running statistics. Random numbers are drawn from the generator, or from
    /// libtorch's own.
    let compile (weights: Weights) : Tensor -> (torch.Generator | null) -> struct (Tensor * (Tensor -> unit)) =
        let run = chain weights { Wanted = false; Normed = false } (Plan.sequence weights.Plan)

        fun x draws ->
            use _ = torch.no_grad ()
            let struct (y, back) = run.Invoke(Flow.kept (x.alias ()), null, draws)

            struct (y.Map,
                    fun dy ->
                        use _ = torch.no_grad ()
                        Flow.drop (back.Invoke(Flow.kept dy, ValueNone)))
