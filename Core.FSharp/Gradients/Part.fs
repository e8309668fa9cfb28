namespace Hybrid

open TorchSharp

/// One pass over a batch: what owns its tensors, and where its random numbers come from, libtorch's own generator where
/// no other is given.
[<NoComparison>]
type internal Pass = { Tape: Tape; Draws: torch.Generator | null }

/// The way back of a part: from the gradient of its output, which it releases, to that of its input, where it was told to
/// put it. Nothing comes back where nobody asked. The gradients of the part's own tensors are added to their accumulators.
type internal Pullback = delegate of dy: Held * destination: Destination -> Held voption

/// The way forth in training. The part releases `x`, or keeps it for its way back; its output is `place` where that is
/// given.
type internal ForwardPass = delegate of pass: Pass * x: Held * place: Held voption -> struct (Held * Pullback)

/// What a part does where its gradient goes to a sum. Branches that have read the same go back in this order, so that as
/// little as possible is copied or gone through twice.
[<RequireQualifiedAccess>]
type internal Adding =
    /// It hands on the gradient that it is given. First, since that is a sum to begin with that costs nothing.
    | HandsOn
    /// It works the gradient out and then adds it. Convolutions that could add in passing are here as well: whether they
    /// can depends on the processor, and the order of a sum shall not.
    | Afterwards
    /// It adds in the pass over memory that it makes anyway.
    | InPassing
    /// It adds to some of the pixels. Last, since without a sum it would have to write zeros to the others.
    | ToSomePixels

/// A part of a network, forth and back.
[<NoComparison; NoEquality>]
type internal Part = { Adding: Adding; Run: ForwardPass }

[<RequireQualifiedAccess>]
module internal Part =

    /// A part whose output is a tensor of its own, copied to its place where one is given.
    let giving adding (run: Pass -> Held -> struct (Held * Pullback)) : Part = {
        Adding = adding
        Run =
            ForwardPass(fun pass x place ->
                let struct (y, back) = run pass x

                match place with
                | ValueNone -> struct (y, back)
                | ValueSome place ->
                    place.Tensor.copy_ y.Tensor |> ignore
                    y.Release()
                    struct (place, back))
    }

    /// A part that can write its output where it belongs.
    let writing adding (run: Pass -> Held -> Held voption -> struct (Held * Pullback)) : Part = {
        Adding = adding
        Run = ForwardPass(fun pass x place -> run pass x place)
    }

    /// Changes nothing.
    let identity: Part =
        giving Adding.HandsOn (fun _ x -> struct (x, Pullback(fun dy destination -> Destination.put dy destination)))

    /// Parts that follow one another.
    let sequence (parts: Part list) : Part =
        match parts with
        | [] -> identity
        | [ one ] -> one
        | first :: _ ->
            let parts = Array.ofList parts
            let last = parts.Length - 1

            writing first.Adding (fun pass x place ->
                let backs = Array.zeroCreate<Pullback> parts.Length
                let mutable y = x

                for index in 0..last do
                    let struct (next, back) =
                        parts[index].Run.Invoke(pass, y, (if index = last then place else ValueNone))

                    y <- next
                    backs[index] <- back

                struct (y,
                        Pullback(fun dy destination ->
                            let mutable gradient = dy

                            for index in last .. -1 .. 1 do
                                gradient <- backs[index].Invoke(gradient, Destination.Fresh).Value

                            backs[0].Invoke(gradient, destination))))
