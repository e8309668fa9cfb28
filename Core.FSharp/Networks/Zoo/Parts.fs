namespace Hybrid

open Hybrid.Combinators

/// What the tutorial's networks have in common.
module internal ZooParts =

    let head classes = [ globalAvgPool; flatten; linear classes ]

    let network parts = parts |> List.map (fun (segment, layers) -> name segment (sequential layers)) |> chain
