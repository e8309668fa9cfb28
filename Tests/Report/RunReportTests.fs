module Hybrid.Tests.Report.RunReportTests

open System
open System.IO
open Expecto
open Hybrid
open Hybrid.Host.Report
open Hybrid.Tests.Data
open Reported

let private written (run: ReportedRun) =
    use folder = new TemporaryFolder()
    RunReport.Write(folder.At "report.html", run)
    File.ReadAllText(folder.At "report.html")

let private hostile = [| "<b>&\"'x"; "--><script>alert(1)</script>"; "日本 ok" |]

/// Four images, one mistake.
let private four =
    lazy (split "test" hostile [| answer 0 0 0.75; answer 0 1 0.875; answer 1 1 0.5; answer 2 2 1.0 |])

let private many count =
    let classes = Array.init count (fun place -> $"class {place}")
    let answers = Array.init (2 * count) (fun image -> answer (image % count) (image * 7 % count) 0.5)
    run "ResNet" classes [ split "test" classes answers ]

let tests =
    testList "run's report" [
        test "every part is there, and the page stands alone" {
            let page = written (run "ResNet" hostile [ four.Value ])
            standsAlone page

            Expect.equal
                (sections page)
                [ "results"; "curves"; "confusion"; "classes"; "mistakes"; "confidence"; "network"; "recipe" ]
                "parts"

            Expect.equal (told "<h1>([^<]*)</h1>" page) [ "ResNet on pets" ] "the folder's own name"
            Expect.stringContains page "prefers-color-scheme: dark" "light and dark"
        }

        test "names of strangers are text" {
            let page = written (run "ResNet" hostile [ four.Value ])

            for name in [ "<b>&"; "<script"; "<i>" ] do
                Expect.isFalse (page.Contains name) $"{name} is no markup"

            let rows = told "<tr><th scope=\"row\">([^<]*)</th>" page

            for name in hostile do
                Expect.contains rows name "encoded, and the same name"

            Expect.contains (told "<dd>([^<]*)</dd>" page) "<i>&" "so is the recipe"
            Expect.contains (told "alt=\"([^\"]*)\"" page) $"{hostile[0]} taken for {hostile[1]}" "in attributes too"
        }

        test "the numbers are those of the diagnosis" {
            let page = written (run "ResNet" hostile [ four.Value ])

            Expect.equal
                (told "<td class=\"[rw][0-9]+\" title=\"([^\"]*)\"" page)
                [
                    $"{hostile[0]} → {hostile[0]}: 1 of 2"
                    $"{hostile[0]} → {hostile[1]}: 1 of 2"
                    $"{hostile[1]} → {hostile[1]}: 1 of 1"
                    $"{hostile[2]} → {hostile[2]}: 1 of 1"
                ]
                "the confusion matrix, cell by cell"

            Expect.equal
                (told "<td class=\"bar\"[^>]*>([^<]*)</td>" page)
                [ "50.00%"; "100.00%"; "100.00%" ]
                "found of each class"

            Expect.equal (told "([0-9.]+% sure), is" page) [ "87.5% sure" ] "the one mistake"
            // |1 − 0.75| + |0 − 0.875| + |1 − 0.5| + |1 − 1|, each alone in its bin, over four images.
            Expect.stringContains page "40.62%" "calibration error"
            Expect.stringContains page "2.5 s (2.0 to 3.0 s)" "the median of two epochs"
            Expect.stringContains page "1,234" "images a second"
        }

        test "plots hold text and the page's colours" {
            let page = written (run "ResNet" hostile [ four.Value ])
            let plots = told "<svg class=\"chart\"[^>]*aria-label=\"([^\"]*)\"" page

            Expect.equal
                plots
                [
                    "Loss by epoch: train from 2.0000 to 1.0000, validation from 1.5000 to 1.2500"
                    "Accuracy, % by epoch: train from 25.00% to 50.00%, validation from 50.00% to 62.50%"
                    "Learning rate by epoch: rate from 0.1 to 0.01"
                    "Accuracy by confidence; the calibration error is 40.62%"
                    "Images by confidence: 1 of 4 above 93.3%"
                ]
                "each says what it shows"

            Expect.contains (told "<text[^>]*>([^<]*)</text>" page) "epoch" "text that the browser sets"
            Expect.isFalse (page.Contains "rgb(") "no colour but the style sheet's"
            Expect.isFalse (page.Contains "clip") "no names that plots would share"
        }

        test "a hundred classes are colours; of more than can be read there is no matrix" {
            let page = written (many 100)
            Expect.stringContains page "matrix dense" "cells without numbers"
            Expect.isLessThan page.Length 1_000_000 "bytes"
            let page = written (many 200)
            Expect.isFalse (page.Contains "class=\"matrix") "too large to be read"
            Expect.stringContains page "Most frequent confusions" "but the worst are named"
            standsAlone page
        }

        test "a run that was not tested shows its curves" {
            let page = written (run "ResNet" hostile [])
            Expect.equal (sections page) [ "results"; "curves"; "network"; "recipe" ] "what is known"
            standsAlone page
        }

        test "no mistakes, no pictures" {
            let right = split "test" hostile [| answer 0 0 1.0; answer 1 1 1.0; answer 2 2 1.0 |]
            let page = written (run "ResNet" hostile [ right ])
            Expect.isFalse (page.Contains "<img") "nothing to show"
            Expect.stringContains page "every answer was right" "and it says so"
        }

        test "large pictures are made smaller" {
            let image = Array.init (300 * 200 * 3) byte
            let uri = Thumbnail.DataUri(ReadOnlySpan image, 300, 200)
            Expect.stringStarts uri "data:image/jpeg;base64," "a photograph"
            use bitmap = SkiaSharp.SKBitmap.Decode(Convert.FromBase64String(uri.Substring(uri.IndexOf ',' + 1)))
            Expect.equal (bitmap.Height, bitmap.Width) (128, 85) "the longer side"
            Expect.stringStarts (Thumbnail.DataUri(ReadOnlySpan image[..191], 8, 8)) "data:image/png" "pixel by pixel"
        }
    ]
