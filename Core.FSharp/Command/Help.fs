namespace Hybrid.Command

open System
open Hybrid

/// What `--help` shows: the rows, as they are.
[<RequireQualifiedAccess>]
module internal Help =

    let private width, private indent = 100, 26

    /// Text broken into lines behind a column; what stands in that column goes before, on a line of its own if it is
    /// too long.
    let private entry (head: string) (text: string) =
        let add (lines: string list) word =
            match lines with
            | line :: others when line.Length + 1 + String.length word <= width - indent -> $"{line} {word}" :: others
            | _ -> word :: lines

        let lines = text.Split(' ', StringSplitOptions.RemoveEmptyEntries) |> Seq.fold add [] |> List.rev
        let margin = String(' ', indent)

        match lines with
        | first :: rest when head.Length + 2 <= indent ->
            head.PadRight indent + first :: [ for line in rest -> margin + line ]
        | lines -> head :: [ for line in lines -> margin + line ]
        |> String.concat "\n"

    /// "0.1 for sgd; 0.001 for adamw, adam".
    let private defaults (row: Row) =
        match List.distinctBy snd row.Defaults with
        | [] -> ""
        | [ _, value ] -> $" (default: {value})"
        | several ->
            let one value =
                let owners = row.Defaults |> List.filter (fun it -> snd it = value) |> List.map fst
                let owners = String.concat ", " owners
                $"{value} for {owners}"

            let all = several |> List.map (snd >> one) |> String.concat "; "
            $" (default: {all})"

    let private option (row: Row) =
        let value = if row.Value = "" then "" else $" {row.Value}"

        entry $"    --{row.Name}{value}" (row.Help + defaults row)

    let ofVerb (verb: Verb) =
        String.concat "\n" [
            let words, meaning = Row.divide verb.Words
            $"USAGE: hybrid {verb.Name} [OPTION]... {words}".TrimEnd()
            ""
            $"{Char.ToUpperInvariant verb.Help[0]}{verb.Help.Substring 1}. An option's value follows it: --seed 7 or --seed=7."

            if words <> "" then
                ""
                entry $"    {words}" meaning

            for title, options in verb.Groups do
                ""
                $"{title}:"

                for row in options do
                    if row.Help <> "" then
                        option row
        ]

    let ofAll (verbs: Verb list) =
        String.concat "\n" [
            "Trains, evaluates and exports convolutional image classifiers."
            ""
            "USAGE: hybrid VERB [OPTION]..."
            ""

            for verb in verbs do
                entry $"    {verb.Name}" verb.Help

            ""
            entry "    --version" "print the version"
            entry "    --help, -h" "this page, or behind a verb its options"
        ]
