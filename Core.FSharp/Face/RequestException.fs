namespace Hybrid

open System

/// The request was wrong: each line of the message names something that was wrong, and what is allowed. A message that is
/// given as text is one line, whatever the names in it hold.
type RequestException private (lines: string list) =
    inherit Exception(String.concat "\n" lines)

    new(message: string) = RequestException [ message ]

    /// The message, a line for each thing that is wrong.
    member _.Lines: string array = Array.ofList lines

    /// Of the core's own report, which has a line for each thing that is wrong.
    static member internal OfReport(report: string) = RequestException(List.ofArray (report.Split '\n'))

[<AutoOpen>]
module internal Answers =

    let orThrow result =
        match result with
        | Ok value -> value
        | Error message -> raise (RequestException.OfReport message)
