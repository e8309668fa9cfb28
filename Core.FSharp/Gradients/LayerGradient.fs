namespace Hybrid

open TorchSharp

/// Layers with their way back, but for convolutions and batch norms. All maps lie channels last on the CPU, in float32 or
/// bfloat16.
module internal LayerGradient =

    type private F = torch.nn.functional

    /// libtorch's autograd over one layer: what every layer has that nobody has written a way back for.
    let byAutograd (weights: Weights) (layer: LayerPlan) : ForwardPass =
        let run = (LayerForward.operation weights false layer).Run

        let parameters = [|
            for spec in layer.Tensors do
                if spec.IsParameter then
                    weights[spec.Key], weights.Gradient spec.Key
        |]

        ForwardPass(fun x _ draws ->
            let seen = x.Map.detach().requires_grad_ true

            let y =
                use _ = torch.enable_grad ()
                run.Invoke(seen, false, { Training = true; Draws = draws })

            // libtorch may have kept it.
            struct (Flow.kept (y.detach ()),
                    Pullback(fun dy others ->
                        let dy = Flow.ofDType y.dtype dy
                        let inputs = [| seen; yield! Array.map fst parameters |]
                        let found = torch.autograd.grad ([| y |], inputs, [| dy.Map |])

                        for place, (_, sum) in Array.indexed parameters do
                            Flow.addTo sum found[place + 1]
                            found[place + 1].Dispose()

                        y.Dispose()
                        seen.Dispose()
                        Flow.drop x
                        Flow.drop dy
                        Flow.joined (Flow.free found[0]) others)))

    let linear (weights: Weights) layer : ForwardPass =
        let matrices, biases =
            Gathering.ofLayers weights [ layer ] Role.Weight, Gathering.ofLayers weights [ layer ] Role.Bias

        let weight, bias = matrices.Tensors[0], biases.Tensors |> Array.tryHead |> Option.toObj
        let dtype = Placement.storage weights.Placement

        ForwardPass(fun x _ _ ->
            // The last sums of a network are in float32 whatever came before.
            let narrow = x.Map.dtype
            let x = Flow.ofDType dtype x

            struct (Flow.free (F.linear (x.Map, weight, bias)),
                    Pullback(fun dy others ->
                        let dy = Flow.ofDType dtype dy
                        use across = dy.Map.t ()
                        Gathering.add matrices (across.matmul x.Map)

                        if biases.Gradients.Length > 0 then
                            Gathering.add biases (dy.Map.sum 0L)

                        let dx = Flow.free (dy.Map.matmul weight) |> Flow.ofDType narrow
                        Flow.drop x
                        Flow.drop dy
                        Flow.joined dx others)))

    let activation kind : ForwardPass =
        let call, facts = ActivationCall.find kind, Activations.facts kind
        let keepsInput = facts.Kept = Kept.Input

        ForwardPass(fun x _ _ ->
            let y = call.Apply x.Map

            let seen =
                if keepsInput then
                    x.Map
                else
                    Flow.drop x
                    y.alias ()

            struct ({ Map = y; Free = keepsInput },
                    Pullback(fun dy others ->
                        let dx = Backward.activation kind dy.Map seen
                        seen.Dispose()
                        Flow.drop dy
                        Flow.joined (Flow.free dx) others)))

    /// Gives maps of the size `out`, `[C, H, W]`.
    let maxPool pool (out: int64 list) : ForwardPass =
        ForwardPass(fun x _ _ ->
            let struct (x, rows) = Flow.rows x
            let size = x.Map.shape
            let y = Flow.empty [| size[0]; yield! out |] x.Map.dtype
            let largest = (Rows.tryOf y).Value
            PoolKernel.largest pool rows largest
            let seen = y.alias ()

            struct (Flow.kept y,
                    Pullback(fun dy others ->
                        let struct (dy, dyRows) = Flow.rows dy
                        let dx = Flow.empty size x.Map.dtype
                        Flow.reading others (PoolKernel.gradient pool (Rows.tryOf dx).Value dyRows rows largest)
                        seen.Dispose()
                        Flow.drop x
                        Flow.drop dy
                        Flow.free dx)))

    let averagePool (pool: Pool2d) : ForwardPass =
        ForwardPass(fun x _ _ ->
            let y = F.avg_pool2d (x.Map, pair pool.Kernel, pair pool.Stride, pair pool.Padding, pool.Ceiling)

            struct (Flow.free y,
                    Pullback(fun dy others ->
                        let dx = Backward.averagePool pool dy.Map x.Map
                        Flow.drop x
                        Flow.drop dy
                        Flow.joined (Flow.free dx) others)))

    let globalAveragePool: ForwardPass =
        ForwardPass(fun x _ _ ->
            let y = F.adaptive_avg_pool2d (x.Map, pair 1)
            let size, dtype = x.Map.shape, x.Map.dtype
            Flow.drop x

            struct (Flow.free y,
                    Pullback(fun dy others ->
                        use share = dy.Map.div (scalar (float (size[2] * size[3])))
                        let dx = Flow.empty size dtype
                        dx.copy_ share |> ignore
                        Flow.drop dy
                        Flow.joined (Flow.free dx) others)))

    let flatten: ForwardPass =
        ForwardPass(fun x _ _ ->
            let size, dtype = x.Map.shape, x.Map.dtype
            let y = { x with Map = x.Map.flatten (1L, -1L) }
            Flow.drop x

            struct (y,
                    Pullback(fun dy others ->
                        let dy = Flow.ofDType dtype dy
                        let dx = { dy with Map = dy.Map.reshape size }
                        Flow.drop dy
                        Flow.joined dx others)))
