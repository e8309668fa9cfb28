namespace Hybrid

open System

/// The request was wrong: the message names what was wrong and what is allowed.
type RequestException(message: string) =
    inherit Exception(message)

[<AutoOpen>]
module internal Answers =

    let orThrow result =
        match result with
        | Ok value -> value
        | Error message -> raise (RequestException message)
