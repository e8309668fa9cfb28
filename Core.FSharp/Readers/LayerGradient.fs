namespace Hybrid

open TorchSharp

/// Layers with their way back, but for convolutions and norms. All maps lie channels last on the CPU, in float32 or
/// bfloat16.
module internal LayerGradient =

    type private F = torch.nn.functional

    let linear (weights: Weights) layer : ForwardPass =
        let matrices, biases =
            Gathering.ofLayers weights [ layer ] Role.Weight, Gathering.ofLayers weights [ layer ] Role.Bias

        let weight, bias = matrices.Tensors[0], biases.Tensors |> Array.tryHead |> Option.toObj
        let dtype = Placement.storage weights.Placement

        ForwardPass(fun x _ ->
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
        ForwardPass(fun x _ ->
            let y =
                match kind with
                | Activation.Relu -> x.Map.relu ()
                | Activation.LeakyRelu -> F.leaky_relu (x.Map, 0.01)
                | Activation.Tanh -> x.Map.tanh ()
                | Activation.Gelu -> F.gelu x.Map

            let seen =
                match kind with
                | Activation.Gelu -> x.Map
                | _ ->
                    Flow.drop x
                    y.alias ()

            struct ({ Map = y; Free = kind.IsGelu },
                    Pullback(fun dy others ->
                        let dx = Backward.activation kind dy.Map seen
                        seen.Dispose()
                        Flow.drop dy
                        Flow.joined (Flow.free dx) others)))

    /// Gives maps of the size `out`, `[C, H, W]`.
    let maxPool pool (out: int64 list) : ForwardPass =
        ForwardPass(fun x _ ->
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
        ForwardPass(fun x _ ->
            let y = F.avg_pool2d (x.Map, pair pool.Kernel, pair pool.Stride, pair pool.Padding)

            struct (Flow.free y,
                    Pullback(fun dy others ->
                        let dx = Backward.averagePool pool dy.Map x.Map
                        Flow.drop x
                        Flow.drop dy
                        Flow.joined (Flow.free dx) others)))

    let globalAveragePool: ForwardPass =
        ForwardPass(fun x _ ->
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
        ForwardPass(fun x _ ->
            let size, dtype = x.Map.shape, x.Map.dtype
            let y = { x with Map = x.Map.flatten (1L, -1L) }
            Flow.drop x

            struct (y,
                    Pullback(fun dy others ->
                        let dy = Flow.ofDType dtype dy
                        let dx = { dy with Map = dy.Map.reshape size }
                        Flow.drop dy
                        Flow.joined dx others)))
