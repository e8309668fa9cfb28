namespace Hybrid

open System
open TorchSharp

/// Gradient descent with momentum. PyTorch's `SGD`.
type Sgd = { Momentum: float; Dampening: float; Nesterov: bool; WeightDecay: float }

/// Steps by running means of the gradient and its square. Kingma and Ba, "Adam", 2015; decoupled: Loshchilov and
/// Hutter, "Decoupled Weight Decay Regularization", 2019.
type Adam = {
    Beta1: float
    Beta2: float
    Epsilon: float
    WeightDecay: float
    /// Decay shrinks the weights themselves (AdamW) instead of joining the gradient (Adam).
    Decoupled: bool
}

/// The gradient over the root of the running mean of its square. PyTorch's `RMSprop`.
type RmsProp = { Alpha: float; Epsilon: float; Momentum: float; WeightDecay: float }

/// How a gradient changes the weights. The learning rate is the schedule's.
[<RequireQualifiedAccess>]
type Optimizer =
    | Sgd of Sgd
    | Adam of Adam
    | RmsProp of RmsProp

/// What an optimiser remembers: how often it has stepped, and flat tensors in the order of the weights.
type OptimizerState = {
    Steps: int64
    Moments: (string * Tensor) list
} with

    interface IDisposable with
        member state.Dispose() =
            for _, moment in state.Moments do
                moment.Dispose()

/// Formulas in PyTorch's order of operations, on all parameters at once.
[<RequireQualifiedAccess>]
module Optimizer =

    /// Name that the learning rate is logged under, as `lr-SGD`.
    let name optimizer =
        match optimizer with
        | Optimizer.Sgd _ -> "SGD"
        | Optimizer.Adam { Decoupled = true } -> "AdamW"
        | Optimizer.Adam _ -> "Adam"
        | Optimizer.RmsProp _ -> "RMSprop"

    let private momentNames optimizer =
        match optimizer with
        | Optimizer.Sgd { Momentum = 0.0 } -> []
        | Optimizer.Sgd _ -> [ "momentum_buffer" ]
        | Optimizer.Adam _ -> [ "exp_avg"; "exp_avg_sq" ]
        | Optimizer.RmsProp { Momentum = 0.0 } -> [ "square_avg" ]
        | Optimizer.RmsProp _ -> [ "square_avg"; "momentum_buffer" ]

    /// Before the first step: all moments zero.
    let start optimizer (weights: Weights) : OptimizerState = {
        Steps = 0L
        Moments =
            momentNames optimizer
            |> List.map (fun moment -> moment, torch.zeros_like(weights.Flat).DetachFromDisposeScope())
    }

    let private decayed decay (weights: Tensor) (gradient: Tensor) =
        if decay = 0.0 then gradient else gradient.add (weights, scalar decay)

    let private sgd (p: Sgd) rate (weights: Tensor) (gradient: Tensor) state =
        let gradient = decayed p.WeightDecay weights gradient

        let change =
            match state.Moments with
            | [ _, momentum ] ->
                // The first gradient enters whole, whatever the dampening.
                let share = if state.Steps = 0L then 1.0 else 1.0 - p.Dampening
                momentum.mul_(scalar p.Momentum).add_(gradient, scalar share) |> ignore

                if p.Nesterov then gradient.add (momentum, scalar p.Momentum) else momentum
            | _ -> gradient

        weights.add_ (change, scalar -rate) |> ignore

    let private adam (p: Adam) rate (weights: Tensor) (gradient: Tensor) state =
        let steps = float (state.Steps + 1L)

        let gradient =
            if p.Decoupled then
                weights.mul_ (scalar (1.0 - rate * p.WeightDecay)) |> ignore
                gradient
            else
                decayed p.WeightDecay weights gradient

        match state.Moments with
        | [ _, mean; _, square ] ->
            mean.mul_(scalar p.Beta1).add_(gradient, scalar (1.0 - p.Beta1)) |> ignore
            square.mul_(scalar p.Beta2).addcmul_(gradient, gradient, scalar (1.0 - p.Beta2)) |> ignore
            let unbiased = sqrt (1.0 - p.Beta2 ** steps)
            let spread = square.sqrt().div_(scalar unbiased).add_(scalar p.Epsilon)
            weights.addcdiv_ (mean, spread, scalar -(rate / (1.0 - p.Beta1 ** steps))) |> ignore
        | _ -> invalidOp "Adam keeps two moments"

    let private rmsProp (p: RmsProp) rate (weights: Tensor) (gradient: Tensor) state =
        let gradient = decayed p.WeightDecay weights gradient

        let scaled (square: Tensor) =
            square.mul_(scalar p.Alpha).addcmul_(gradient, gradient, scalar (1.0 - p.Alpha)) |> ignore
            square.sqrt().add_(scalar p.Epsilon)

        match state.Moments with
        | [ _, square ] -> weights.addcdiv_ (gradient, scaled square, scalar -rate) |> ignore
        | [ _, square; _, momentum ] ->
            momentum.mul_(scalar p.Momentum).addcdiv_(gradient, scaled square, scalar 1.0) |> ignore
            weights.add_ (momentum, scalar -rate) |> ignore
        | _ -> invalidOp "RMSprop keeps one moment or two"

    let private change
        optimizer
        (rate: float)
        (trainable: TrainableParameters)
        (weights: Weights)
        (state: OptimizerState)
        =
        let flat, gradient = trainable.Of weights.Flat, trainable.Of weights.Grad

        let part = {
            state with
                Moments = [ for name, moment in state.Moments -> name, trainable.Of moment ]
        }

        match optimizer with
        | Optimizer.Sgd p -> sgd p rate flat gradient part
        | Optimizer.Adam p -> adam p rate flat gradient part
        | Optimizer.RmsProp p -> rmsProp p rate flat gradient part

    /// Changes the trained weights by their gradients, in place, each part at its learning rate.
    let step
        optimizer
        (parts: (float * TrainableParameters) list)
        (weights: Weights)
        (state: OptimizerState)
        : OptimizerState =
        use _ = torch.NewDisposeScope()
        use _ = torch.no_grad ()

        for rate, trainable in parts do
            change optimizer rate trainable weights state

        { state with Steps = state.Steps + 1L }
