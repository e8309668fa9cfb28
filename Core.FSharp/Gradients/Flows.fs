namespace Hybrid

open TorchSharp

/// Several parts of a network, with their way back as one.
[<RequireQualifiedAccess>]
module internal Flows =

    /// The gradient of an input that several have read, each adding to what those before it have found.
    let together (backs: (int * (Flow voption -> Flow)) list) (others: Flow voption) : Flow =
        (others, List.sortBy fst backs)
        ||> List.fold (fun others (_, back) -> ValueSome(back others))
        |> ValueOption.get

    let sequence (steps: ForwardPass array) : ForwardPass =
        match steps with
        | [||] -> ForwardPass(fun x _ _ -> struct (x, Pullback(fun dy others -> Flow.joined dy others)))
        | [| one |] -> one
        | steps ->
            ForwardPass(fun x into draws ->
                let backs = Array.zeroCreate<Pullback> steps.Length
                let mutable y = x

                steps
                |> Array.iteri (fun place step ->
                    let last = place = steps.Length - 1
                    let struct (next, back) = step.Invoke(y, (if last then into else null), draws)
                    y <- next
                    backs[place] <- back)

                struct (y,
                        Pullback(fun dy others ->
                            let mutable gradient = dy

                            for place in backs.Length - 1 .. -1 .. 0 do
                                gradient <- backs[place].Invoke(gradient, (if place = 0 then others else ValueNone))

                            gradient)))

    /// A new tensor, whatever the number of factors.
    let product (factors: Tensor list) : Tensor =
        match factors with
        | [] -> invalidArg (nameof factors) "a product has factors"
        | first :: rest ->
            (first.clone (), rest)
            ||> List.fold (fun all factor ->
                use all = all
                all.mul factor)

    /// Of the product's gradient that of the factor at some place.
    let slopeOfFactor (dy: Tensor) (factors: Tensor list) place : Tensor =
        use _ = torch.NewDisposeScope()
        let slope = product (dy :: List.removeAt place factors)
        let own = factors[place].shape

        if slope.shape = own then
            slope.MoveToOuterDisposeScope()
        else
            slope.sum([| 2L; 3L |], keepdim = true).MoveToOuterDisposeScope()

    /// What a branch has given, in its part of the whole, wherever it has been written.
    let settle (part: Tensor) (y: Flow) =
        if not (obj.ReferenceEquals(part, y.Map)) then
            part.copy_ y.Map |> ignore
            Flow.drop y

        part.Dispose()
