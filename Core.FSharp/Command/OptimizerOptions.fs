namespace Hybrid.Command

open Hybrid

/// The optimiser of a recipe.
module internal OptimizerOptions =

    let private kinds: Kinds<Optimizer> = {
        Named = [ for name, (optimizer, _) in Recipe.optimizers -> name, optimizer ]
        Name = Optimizer.name
        Get = _.Optimizer
        Set = fun it recipe -> { recipe with Optimizer = it }
    }

    let private number read part line = OwnOption.number kinds read part line

    let private names = kinds.Named |> List.map fst |> String.concat ", "

    /// Another optimiser comes with a rate to start from, so that these go before the rate. `starts` are the recipes of
    /// the models by name.
    let rows (starts: (string * Recipe) list) = [
        $"--optimizer NAME  {names}"
        |> Row.sets (Value.word "optimizer" Recipe.optimizers) (fun (optimizer, rate) draft -> {
            draft with
                Training.Optimizer = optimizer
                Training.LearningRate = rate
        })
        |> Row.byDefaults [ for model, it in starts -> model, (Optimizer.name it.Optimizer).ToLowerInvariant() ]
        |> Row.decides
        "--momentum X  of sgd and rmsprop"
        |> number (Value.within 0.0 0.9999) (function
            | Optimizer.Sgd p -> Some(p.Momentum, fun it -> Optimizer.Sgd { p with Momentum = it })
            | Optimizer.RmsProp p -> Some(p.Momentum, fun it -> Optimizer.RmsProp { p with Momentum = it })
            | Optimizer.Adam _ -> None)
        "--dampening X  share of the gradient kept out of the momentum of sgd"
        |> number (Value.within 0.0 1.0) (function
            | Optimizer.Sgd p -> Some(p.Dampening, fun it -> Optimizer.Sgd { p with Dampening = it })
            | _ -> None)
        "--nesterov  look ahead along the momentum (sgd)"
        |> OwnOption.flag kinds (function
            | Optimizer.Sgd p -> Some(p.Nesterov, fun it -> Optimizer.Sgd { p with Nesterov = it })
            | _ -> None)
        "--betas X,X  how much of its two means adam and adamw keep in a step"
        |> OwnOption.sets kinds Value.betas Value.ofBetas (function
            | Optimizer.Adam p ->
                Some((p.Beta1, p.Beta2), fun (one, two) -> Optimizer.Adam { p with Beta1 = one; Beta2 = two })
            | _ -> None)
        "--alpha X  how much of its mean square rmsprop keeps in a step"
        |> number (Value.within 0.0 0.999999) (function
            | Optimizer.RmsProp p -> Some(p.Alpha, fun it -> Optimizer.RmsProp { p with Alpha = it })
            | _ -> None)
        "--eps X  added to what adam, adamw and rmsprop divide by"
        |> number Value.positive (function
            | Optimizer.Adam p -> Some(p.Epsilon, fun it -> Optimizer.Adam { p with Epsilon = it })
            | Optimizer.RmsProp p -> Some(p.Epsilon, fun it -> Optimizer.RmsProp { p with Epsilon = it })
            | Optimizer.Sgd _ -> None)
        "--weight-decay X  pull of the weights towards zero"
        |> number (Value.within 0.0 1.0) (function
            | Optimizer.Sgd p -> Some(p.WeightDecay, fun it -> Optimizer.Sgd { p with WeightDecay = it })
            | Optimizer.Adam p -> Some(p.WeightDecay, fun it -> Optimizer.Adam { p with WeightDecay = it })
            | Optimizer.RmsProp p -> Some(p.WeightDecay, fun it -> Optimizer.RmsProp { p with WeightDecay = it }))
    ]

    /// What is wrong with an optimiser as a whole.
    let check (recipe: Recipe) = [
        match recipe.Optimizer with
        | Optimizer.Sgd { Nesterov = true; Momentum = 0.0 } ->
            "--nesterov looks ahead along the momentum: --momentum must be above 0"
        | Optimizer.Sgd { Nesterov = true; Dampening = dampening } when dampening > 0.0 ->
            "--nesterov takes the gradient whole: --dampening must be 0"
        | Optimizer.Sgd { Momentum = 0.0; Dampening = dampening } when dampening > 0.0 ->
            "--dampening is the momentum's: --momentum must be above 0"
        | _ -> ()
    ]
