module Hybrid.Tests.Runtime.PrintableTests

open System
open Expecto
open Hybrid.Host.Runtime

let private lines = [
    "a.jpg", "a.jpg"
    "Größe 日本語 😀 می‌خواهم", "Größe 日本語 😀 می‌خواهم"
    "\u001b]0;owned\u0007x", @"\u{1B}]0;owned\u{7}x"
    "a\nhybrid: forged", @"a\u{A}hybrid: forged"
    "a\rb", @"a\u{D}b"
    "\u009b2J", @"\u{9B}2J"
    "gpj.\u202eexe", @"gpj.\u{202E}exe"
    "a\u2028b", @"a\u{2028}b"
    String [| 'a'; '\ud800' |], @"a\u{FFFD}"
]

let private relaxed = Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping

let tests =
    testList "printable" [
        for given, expected in lines do
            test $"%A{given} is shown as it can do no harm" {
                Expect.equal (Printable.Line given) expected "what a terminal gets"
            }

        test "a message keeps its lines" { Expect.equal (Printable.Message "a\nb\u001b") "a\nb\\u{1B}" "as it was" }

        test "JSON says the same without what moves a terminal" {
            let name = "gpj.\u202eexe \u2028 😀 \U000E0041 é"
            let json = Text.Json.JsonSerializer.Serialize(name, Text.Json.JsonSerializerOptions(Encoder = relaxed))
            let shown = Printable.Json json
            Expect.equal (Text.Json.JsonSerializer.Deserialize<string> shown) name "the same"
            Expect.isFalse (shown.Contains '\u202e') "no turning"
            Expect.stringContains shown "é" "what is harmless stays"
        }

        test "megabytes are cut to a line that says how much is missing" {
            let shown = Printable.Line(String('x', 30_000_000))
            Expect.isLessThan shown.Length 5_000 "short"
            Expect.stringContains shown "29,996,000 characters more" "the rest"
        }
    ]
