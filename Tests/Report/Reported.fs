/// Runs made up for their reports, and what every report must keep.
module Hybrid.Tests.Report.Reported

open System
open System.Text.Json.Nodes
open System.Text.RegularExpressions
open Expecto
open Hybrid
open Hybrid.Host.Report
open Hybrid.Tests.Networks.Nets
open Hybrid.Tests.Training.SmallData

let private metrics (answers: Answer array) : Metrics =
    let correct = answers |> Array.filter (fun it -> it.Label = it.Guess) |> Array.length
    { Count = answers.LongLength; Correct = int64 correct; Loss = 1.25 }

let answer label guess confidence : Answer = { Label = label; Guess = guess; Confidence = confidence }

/// Answers to so many images, and those images.
let split name (classes: string array) (answers: Answer array) =
    use images = imagesOf answers.Length 3 8 classes.Length
    SplitResult.Of(name, images, Diagnosis.ofAnswers classes.Length (metrics answers) answers)

let history =
    RunHistory [| EpochRow(1, 9L, 2.0, 0.25, 1.5, 0.5, 3.0); EpochRow(2, 19L, 1.0, 0.5, 1.25, 0.625, 2.0) |]

let private recipe =
    JsonObject [
        Collections.Generic.KeyValuePair("model_name", JsonValue.Create "ResNet" :> JsonNode | null)
        Collections.Generic.KeyValuePair("note", JsonValue.Create "<i>&" :> JsonNode | null)
    ]

let private plan classes =
    planOf (Shape.Image(3, 8, 8)) (model "ResNet" [ "num_classes", string classes; "num_blocks", "1,1,1" ]).Net

/// A run that was trained for two epochs, with a report of its own or without.
let runWith (report: string | null) name (classes: string array) (results: SplitResult list) =
    ReportedRun(
        name,
        "folder:/data/pets",
        recipe,
        plan classes.Length,
        classes,
        Array.ofList results,
        History = history,
        Rates = history.EachStep(10, fun step -> if step < 10L then 0.1 else 0.01),
        BestEpoch = Nullable 2,
        Timing = RunTiming(Placement.cpu, 5.0, 1234.0),
        Report = report
    )

let run name classes results = runWith null name classes results

let private matches pattern (page: string) = [ for found in Regex.Matches(page, pattern) -> found.Groups[1].Value ]

/// Nothing is fetched from anywhere, and nothing is run.
let standsAlone (page: string) =
    for outside in [ "http:"; "https:"; "//www"; "<script"; "@import"; "url("; "<iframe"; "<object"; "javascript:" ] do
        Expect.isFalse (page.Contains(outside, StringComparison.OrdinalIgnoreCase)) outside

    for source in matches "src=\"([^\"]*)\"" page do
        Expect.stringStarts source "data:image/" "pictures lie in the page"

    // Links lead into the page, or to the reports of runs beside it.
    for target in matches "href=\"([^\"]*)\"" page do
        Expect.isMatch target "^(#.*|data:,|[^:]*report\.html)$" "links stay here"

let sections page = matches "<section id=\"([^\"]*)\"" page

/// What the page says where the pattern's group is.
let told pattern page = matches pattern page |> List.map Net.WebUtility.HtmlDecode
