module Hybrid.Tests.Commands.ReportTests

open System
open System.Diagnostics
open System.IO
open System.Text.Json
open System.Threading
open Expecto
open Hybrid.Tests.Data
open Hybrid.Tests.Report

let private small verb =
    Executable.words
        $"{verb} --json --epochs 2 --batch-size 32 --limit-train 64 --limit-val 32 --limit-test 32 --out runs"

let private text (json: JsonElement) (field: string) = json.GetProperty(field).GetString() |> string

let tests =
    testList "report" [
        test "a run writes one, and one of a comparison lies beside the runs" {
            use folder = new TemporaryFolder()
            let outcome = Executable.succeed folder.Path (small "compare" @ [ "--models"; "ResNet,ResNetPreAct" ])
            let report = text outcome.Json "report"
            Expect.equal report (folder.At("runs", "report.html")) "beside the runs"
            Expect.stringContains outcome.Err report "people are told where"
            let page = File.ReadAllText report
            Reported.standsAlone page

            Expect.equal
                (Reported.told "href=\"([^#\"]*report.html)\"" page)
                [ "version_0/report.html"; "version_1/report.html" ]
                "with links to the runs' own"

            let own = File.ReadAllText(folder.At("runs", "version_0", "report.html"))
            Reported.standsAlone own
            Expect.contains (Reported.sections own) "confusion" "tested, and told"
            Expect.contains (Reported.told "<th scope=\"row\">([^<]*)</th>" own) "disc" "the shapes' names"
            Expect.contains (Reported.told "<title>([^<]*)</title>" own) "ResNet on shapes" "its title"
        }

        test "after a resume it tells the whole run; where it cannot be written, that is a warning" {
            use folder = new TemporaryFolder()
            let narrow = [ "--hparam"; "num_blocks=1,1,1"; "--hparam"; "c_hidden=4,8,8" ]
            let first = (Executable.succeed folder.Path (small "train" @ narrow)).Json
            let report, resume = text first "report", [ "train"; "--resume"; text first "run_dir"; "--json" ]
            let epochs () = Reported.told "<tr><th scope=\"row\">([0-9]+)</th>" (File.ReadAllText report)
            Expect.equal (epochs ()) [ "1"; "2" ] "both epochs"
            File.Delete report
            let again = (Executable.succeed folder.Path resume).Json
            Expect.equal (text again "report") report "the same place"
            Expect.equal (epochs ()) [ "1"; "2" ] "the epochs before it was taken up"
            File.Delete report
            Directory.CreateDirectory report |> ignore
            let outcome = Executable.succeed folder.Path resume
            Expect.equal (outcome.Json.GetProperty("report").ValueKind) JsonValueKind.Null "there is none"
            Expect.stringContains outcome.Err "report.html' was not written" "which is said"
        }

        test "an interrupted run shows the epochs that it has" {
            if not (OperatingSystem.IsLinux() || OperatingSystem.IsMacOS()) then
                skiptest "no signals here"

            use folder = new TemporaryFolder()
            let narrow = [ "--hparam"; "num_blocks=1,1,1"; "--hparam"; "c_hidden=4,8,8"; "--epochs"; "100000" ]
            let without = small "train" |> List.filter (fun word -> word <> "--epochs" && word <> "2")
            let work = Executable.start folder.Path (without @ narrow)
            let log = folder.At("runs", "version_0", "epochs.csv")
            let logged () = File.Exists log && (new FileInfo(log)).Length > 150L

            while not (work.HasExited || logged ()) do
                Thread.Sleep 20

            Process.Start("kill", [ "-INT"; string work.Id ]).WaitForExit()
            let outcome = Executable.finish work
            Expect.equal outcome.ExitCode 130 outcome.Err
            let page = File.ReadAllText(folder.At("runs", "version_0", "report.html"))
            Expect.equal (Reported.sections page) [ "results"; "curves"; "network"; "recipe" ] "nothing was tested"
        }
    ]
