module Hybrid.Tests.Report.ComparisonReportTests

open System.IO
open Expecto
open Hybrid.Host.Report
open Hybrid.Tests.Data
open Reported

let private classes = [| "a"; "b" |]

let private results guess = [
    split "val" classes [| answer 0 0 0.5 |]
    split "test" classes [| answer 0 0 0.5; answer 1 guess 0.75 |]
]

let tests =
    testList "comparison's report" [
        test "all models in one table, one set of curves, and a part for each" {
            use folder = new TemporaryFolder()
            let linked = runWith (folder.At("ResNet", "version_0", "report.html")) "ResNet" classes (results 0)

            let other = run "DenseNet" classes (results 1)
            ComparisonReport.Write(folder.At "report.html", [| linked; other |])
            let page = File.ReadAllText(folder.At "report.html")
            standsAlone page
            Expect.equal (sections page) [ "results"; "curves"; "classes"; "ResNet"; "DenseNet" ] "parts"

            Expect.equal
                (told "href=\"([^#\"]*report.html)\"" page)
                [ "ResNet/version_0/report.html" ]
                "the run's own report, from where this one lies"

            Expect.equal
                (told "<td class=\"best\">([^<]*)</td>" page)
                [ "100.00%"; "100.00%"; "100.00%" ]
                "the best of each class: both of a, DenseNet of b"

            Expect.stringContains page "Validation loss by epoch: ResNet from 1.5000 to 1.2500" "curves"
        }
    ]
