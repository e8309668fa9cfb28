namespace Hybrid

open TorchSharp

/// Layers with their way back, but for convolutions and batch norms. All maps lie channels last on the CPU, in float32 or
/// bfloat16.
module internal LayerGradient =

    type private F = torch.nn.functional

    /// libtorch's autograd over one layer: what every layer has that nobody has written a way back for.
    let byAutograd (weights: Weights) (layer: LayerPlan) : Part =
        let run = (LayerForward.operation weights false layer).Run

        let parameters = [|
            for spec in layer.Tensors do
                if spec.IsParameter then
                    weights[spec.Key], weights.Gradient spec.Key
        |]

        Part.giving Adding.Afterwards (fun pass x ->
            let seen = x.View(x.Tensor.detach().requires_grad_ true)

            let y =
                use _ = torch.enable_grad ()
                let y = run.Invoke(seen.Tensor, false, { Training = true; Draws = pass.Draws })

                // A layer that changes nothing gives back what it has read.
                if obj.ReferenceEquals(y, seen.Tensor) then
                    x.View(y.alias ())
                else
                    pass.Tape.Hold y

            // libtorch may have kept the output: it is shared with `y`.
            struct (y.View(y.Tensor.detach ()),
                    Pullback(fun dy destination ->
                        let dy = Held.ofDType y.Tensor.dtype dy
                        let inputs = [| seen.Tensor; yield! Array.map fst parameters |]
                        let found = torch.autograd.grad ([| y.Tensor |], inputs, [| dy.Tensor |])

                        for place, (_, sum) in Array.indexed parameters do
                            Held.addTo sum found[place + 1]
                            found[place + 1].Dispose()

                        // It may be what came in.
                        let dx = dy.View found[0]
                        Held.release [ y; seen; x; dy ]
                        Destination.put dx destination)))

    let linear (weights: Weights) layer : Part =
        let matrices = GradientAccumulator.ofLayers weights [ layer ] Role.Weight
        let biases = GradientAccumulator.ofLayers weights [ layer ] Role.Bias
        let weight, bias = matrices.Parameters[0], biases.Parameters |> Array.tryHead |> Option.toObj
        let dtype = Placement.storage weights.Placement

        Part.giving Adding.Afterwards (fun pass x ->
            // The last sums of a network are in float32 whatever came before.
            let narrow = x.Tensor.dtype
            let x = Held.ofDType dtype x

            struct (pass.Tape.Hold(F.linear (x.Tensor, weight, bias)),
                    Pullback(fun dy destination ->
                        let dy = Held.ofDType dtype dy
                        use across = dy.Tensor.t ()
                        GradientAccumulator.add matrices (across.matmul x.Tensor)

                        if GradientAccumulator.isAsked biases then
                            GradientAccumulator.add biases (dy.Tensor.sum 0L)

                        let gradient () = pass.Tape.Hold(dy.Tensor.matmul weight) |> Held.ofDType narrow
                        Destination.putNew [ x; dy ] gradient destination)))

    let activation kind : Part =
        let call, facts = ActivationCall.find kind, Activations.facts kind

        Part.giving Adding.Afterwards (fun pass x ->
            let y = pass.Tape.Hold(call.Apply x.Tensor)

            let seen =
                if facts.Kept = Kept.Input then
                    x
                else
                    x.Release()
                    y.Share()

            struct (y,
                    Pullback(fun dy destination ->
                        let gradient () = pass.Tape.Hold(Backward.activation kind dy.Tensor seen.Tensor)
                        Destination.putNew [ seen; dy ] gradient destination)))

    /// Gives maps of the size `out`, `[C, H, W]`.
    let maxPool pool (out: int64 list) : Part =
        Part.giving Adding.InPassing (fun pass x ->
            let struct (x, rows) = Held.rows x
            let y = pass.Tape.Empty([| x.Tensor.shape[0]; yield! out |], x.Tensor.dtype)
            let largest = (Rows.tryOf y.Tensor).Value
            PoolKernel.largest pool rows largest
            let seen = y.Share()

            struct (y,
                    Pullback(fun dy destination ->
                        let struct (dy, dyRows) = Held.rows dy

                        let dx =
                            destination
                            |> Destination.write x (fun out added ->
                                PoolKernel.gradient pool out dyRows rows largest added)

                        Held.release [ seen; dy ]
                        dx)))

    let averagePool (pool: Pool2d) : Part =
        Part.giving Adding.Afterwards (fun pass x ->
            let y = F.avg_pool2d (x.Tensor, pair pool.Kernel, pair pool.Stride, pair pool.Padding, pool.Ceiling)

            struct (pass.Tape.Hold y,
                    Pullback(fun dy destination ->
                        let gradient () = pass.Tape.Hold(Backward.averagePool pool dy.Tensor x.Tensor)
                        Destination.putNew [ x; dy ] gradient destination)))

    let globalAveragePool: Part =
        Part.giving Adding.Afterwards (fun pass x ->
            let y = pass.Tape.Hold(F.adaptive_avg_pool2d (x.Tensor, pair 1))
            let size, dtype = x.Tensor.shape, x.Tensor.dtype
            x.Release()

            struct (y,
                    Pullback(fun dy destination ->
                        let gradient () =
                            use share = dy.Tensor.div (scalar (float (size[2] * size[3])))
                            let dx = pass.Tape.Empty(size, dtype)
                            dx.Tensor.copy_ share |> ignore
                            dx

                        Destination.putNew [ dy ] gradient destination)))

    let flatten: Part =
        Part.giving Adding.Afterwards (fun _ x ->
            let size, dtype = x.Tensor.shape, x.Tensor.dtype
            let y = x.View(x.Tensor.flatten (1L, -1L))
            x.Release()

            struct (y,
                    Pullback(fun dy destination ->
                        let dy = Held.ofDType dtype dy
                        let dx = dy.View(dy.Tensor.reshape size)
                        dy.Release()
                        Destination.put dx destination)))
