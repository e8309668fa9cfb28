module Hybrid.Tests.Commands.DocumentTests

open System.IO
open System.Text.RegularExpressions
open Expecto
open Hybrid
open Hybrid.Command
open Hybrid.Tests

let private page = lazy (File.ReadAllText(Checkout.path [ "docs"; "lightning.md" ]))

/// Everything in backquotes, code blocks left out.
let private code text = [
    for found in Regex.Matches(Regex.Replace(text, "(?s)```.*?```", ""), "`([^`]+)`") -> found.Groups[1].Value
]

let tests =
    testList "docs/lightning.md" [
        test "every option that it names is one of train" {
            let help =
                match CommandLine.Read [| "train"; "--help" |] with
                | Request.Show help -> help
                | other -> failtest $"{other}"

            let options =
                [ for found in Regex.Matches(page.Value, @"--[a-z][a-z0-9-]*") -> found.Value ] |> List.distinct

            Expect.isGreaterThan options.Length 25 "options"

            for option in options do
                Expect.isTrue (Regex.IsMatch(help, $@"{option}(?![a-z0-9-])")) option
        }

        test "every event has its hook" {
            let events = [ for case in FSharp.Reflection.FSharpType.GetUnionCases typeof<TrainingEvent> -> case.Name ]

            let named = code page.Value

            for event in events do
                Expect.contains named event "an event"
        }
    ]
