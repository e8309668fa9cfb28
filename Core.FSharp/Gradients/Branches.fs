namespace Hybrid

open TorchSharp

/// One branch of a concatenation, or some that begin together. `Run` takes the input and the place of each branch's output
/// in the whole; its way back takes each branch's part of the gradient.
[<NoComparison; NoEquality>]
type internal ConcatMember = {
    Adding: Adding
    Run: Pass -> Held -> (int -> Held) -> ((int -> Held) -> Destination -> Held voption)
}

/// Parts that read the same, forth and back.
[<RequireQualifiedAccess>]
module internal Branches =

    /// The gradient of what all branches have read: the first to go back is told where the fork was told, or to begin a
    /// sum, and each of the others to add to that.
    let private goBack (backs: (Adding * (Destination -> Held voption)) list) destination : Held voption =
        let inTurn first =
            (first, List.sortBy fst backs)
            ||> List.fold (fun destination (_, back) ->
                match back destination with
                | ValueSome sum -> Destination.AddedTo sum
                | ValueNone -> Destination.Nowhere)

        match destination with
        | Destination.Into _ ->
            match inTurn Destination.Fresh with
            | Destination.AddedTo sum -> Destination.put sum destination
            | _ -> ValueNone
        | _ ->
            match inTurn destination with
            | Destination.AddedTo sum -> ValueSome sum
            | _ -> ValueNone

    /// Two branches and what joins them: `join` gives the output and a way back to the gradients of both.
    let pair (a: Part) (b: Part) (join: Pass -> Held -> Held -> struct (Held * (Held -> struct (Held * Held)))) : Part =
        Part.giving Adding.Afterwards (fun pass x ->
            let struct (aOut, aBack) = a.Run.Invoke(pass, x.Share(), ValueNone)
            let struct (bOut, bBack) = b.Run.Invoke(pass, x, ValueNone)
            let struct (y, split) = join pass aOut bOut

            struct (y,
                    Pullback(fun dy destination ->
                        let struct (da, db) = split dy

                        destination
                        |> goBack [
                            a.Adding, (fun destination -> aBack.Invoke(da, destination))
                            b.Adding, (fun destination -> bBack.Invoke(db, destination))
                        ])))

    /// The outputs of all branches, and how each goes back.
    let private runAll (branches: Part list) (pass: Pass) (x: Held) =
        let runs = [ for branch in branches -> branch.Adding, branch.Run.Invoke(pass, x.Share(), ValueNone) ]
        x.Release()
        [ for _, struct (y, _) in runs -> y ], [ for adding, struct (_, back) in runs -> adding, back ]

    let sum (branches: Part list) : Part =
        Part.giving Adding.Afterwards (fun pass x ->
            let outs, backs = runAll branches pass x

            struct (List.reduce Held.add outs,
                    Pullback(fun dy destination ->
                        let backs = [
                            for adding, back in backs do
                                let dy = dy.Share()
                                adding, (fun destination -> back.Invoke(dy, destination))
                        ]

                        dy.Release()
                        goBack backs destination)))

    /// A new tensor, whatever the number of factors.
    let private multiply (factors: Tensor list) : Tensor =
        match factors with
        | [] -> invalidArg (nameof factors) "a product has factors"
        | first :: rest ->
            (first.clone (), rest)
            ||> List.fold (fun all factor ->
                use all = all
                all.mul factor)

    /// Of the product's gradient that of the factor at some place: times all other factors, and added up where the factor
    /// is one number for a whole map.
    let private gradientOfFactor (dy: Tensor) (factors: Tensor list) place : Tensor =
        use _ = torch.NewDisposeScope()
        let gradient = multiply (dy :: List.removeAt place factors)

        if gradient.shape = factors[place].shape then
            gradient.MoveToOuterDisposeScope()
        else
            gradient.sum([| 2L; 3L |], keepdim = true).MoveToOuterDisposeScope()

    let product (branches: Part list) : Part =
        Part.giving Adding.Afterwards (fun pass x ->
            let outs, backs = runAll branches pass x
            let factors = [ for y in outs -> y.Tensor ]

            struct (pass.Tape.Hold(multiply factors),
                    Pullback(fun dy destination ->
                        let backs = [
                            for place, (adding, back) in List.indexed backs do
                                let gradient = pass.Tape.Hold(gradientOfFactor dy.Tensor factors place)
                                adding, (fun destination -> back.Invoke(gradient, destination))
                        ]

                        Held.release (dy :: outs)
                        goBack backs destination)))

    /// Maps of the size `out`, `[C, H, W]`, or features, side by side: so many channels from each branch, which writes its
    /// part of the whole and reads its part of the gradient where they lie.
    let concat (counts: int64 array) (out: int64 list) dtype (members: ConcatMember list) : Part =
        let starts = counts |> Array.scan (+) 0L
        let part (whole: Held) place = whole.View(whole.Tensor.narrow (1L, starts[place], counts[place]))

        Part.giving Adding.Afterwards (fun pass x ->
            let whole = pass.Tape.Empty([| x.Tensor.shape[0]; yield! out |], dtype)
            let backs = [ for it in members -> it.Adding, it.Run pass (x.Share()) (part whole) ]
            x.Release()

            struct (whole,
                    Pullback(fun dy destination ->
                        let dx = destination |> goBack [ for adding, back in backs -> adding, back (part dy) ]
                        dy.Release()
                        dx)))

    /// Runs one branch of a concatenation so that its output is in the whole.
    let private runIn (pass: Pass) (part: Part) (x: Held) (place: Held) : Pullback =
        let struct (y, back) = part.Run.Invoke(pass, x, ValueSome place)
        y.Release()
        back

    /// A branch alone.
    let one place (branch: Part) : ConcatMember = {
        Adding = branch.Adding
        Run =
            fun pass x partOf ->
                let back = runIn pass branch x (partOf place)
                fun gradientOf destination -> back.Invoke(gradientOf place, destination)
    }

    /// Branches that begin with one convolution, each with its place, the channels that it goes on with and what it does
    /// with those. The convolution needs its output no more, nor does anybody but the branches: each is told to write the
    /// gradient of what it has read over that, and the memory is the gradient that the convolution is handed.
    let siblings (convolution: Part) (branches: (int * int64 * Part) list) : ConcatMember =
        let starts = branches |> List.map (fun (_, count, _) -> count) |> List.scan (+) 0L

        {
            Adding = convolution.Adding
            Run =
                fun pass x partOf ->
                    let struct (joint, convolutionBack) = convolution.Run.Invoke(pass, x, ValueNone)
                    let part start count = joint.View(joint.Tensor.narrow (1L, start, count))

                    let backs = [
                        for start, (place, count, branch) in List.zip (List.truncate branches.Length starts) branches do
                            place, part start count, runIn pass branch (part start count) (partOf place)
                    ]

                    fun gradientOf destination ->
                        for place, gradient, back in backs do
                            back.Invoke(gradientOf place, Destination.Into gradient) |> ValueOption.iter _.Release()

                        convolutionBack.Invoke(joint, destination)
        }
