module Hybrid.Tests.Commands.PredictTests

open System
open System.IO
open Expecto
open Hybrid
open Hybrid.Tests
open Hybrid.Tests.Data
open HandmadePictures
open TorchSharp

/// A network of a moment's training on the drawn images, and two pictures.
let private prepare (folder: TemporaryFolder) =
    write (folder.At("pictures", "b.png")) (plain 50 40 (200uy, 10uy, 10uy))
    write (folder.At("pictures", "more", "a, \"1\".png")) (plain 9 9 (0uy, 10uy, 200uy))
    File.WriteAllText(folder.At("pictures", "notes.txt"), "not a picture")
    Trained.briefly folder

let private tutorial () = Shared.path [ "golden"; "tutorial5"; "ResNet.ckpt" ]

let tests =
    testList "predict" [
        test "top-k of the softmax" {
            use logits = torch.tensor (array2D [ [ 0.0f; 2.0f; 1.0f ]; [ 9.0f; -9.0f; 0.0f ] ])
            let found = Predict.ofLogits 2 logits
            Expect.equal [ for it in found -> List.ofArray it.Classes ] [ [ 1; 2 ]; [ 0; 2 ] ] "classes"
            let total = 1.0 + exp 1.0 + exp 2.0
            Expect.floatClose Accuracy.high found[0].Probabilities[0] (exp 2.0 / total) "the first"
            Expect.floatClose Accuracy.high found[0].Probabilities[1] (exp 1.0 / total) "the second"
            let all = Predict.ofLogits 9 logits
            Expect.equal all[1].Classes.Length 3 "no more than there are"
        }

        test "a table, CSV and JSON of files and folders" {
            use folder = new TemporaryFolder()
            let checkpoint = prepare folder
            let predict arguments = [ "predict"; "--checkpoint"; checkpoint ] @ arguments
            let b, a = Path.Combine("pictures", "b.png"), Path.Combine("pictures", "more", "a, \"1\".png")

            let table = Executable.succeed folder.Path (predict [ "--top"; "2"; "pictures" ])
            Expect.stringContains table.Out b "a file"
            Expect.stringContains table.Out "%" "a probability"

            let json = (Executable.succeed folder.Path (predict [ "--top"; "2"; "--json"; a; "pictures" ])).Json
            let predictions = json.GetProperty("predictions").EnumerateArray() |> List.ofSeq

            Expect.equal
                [ for it in predictions -> it.GetProperty("file").GetString() ]
                [ a; b; a ]
                "in the order asked"

            for it in predictions do
                Expect.equal (it.GetProperty("classes").GetArrayLength()) 2 "classes"
                Expect.equal (it.GetProperty("probabilities").GetArrayLength()) 2 "probabilities"

            let csv = Executable.succeed folder.Path (predict [ "--top"; "1"; "--csv"; "-"; "pictures" ])
            let lines = csv.Out.TrimEnd().Split '\n'
            Expect.equal lines[0] "file,class_1,probability_1" "header"
            Expect.stringStarts lines[2] "\"pictures" "quoted, for its comma"
            Expect.stringContains lines[2] "a, \"\"1\"\".png\"," "quotes doubled"
            Executable.succeed folder.Path (predict [ "--top"; "1"; "--csv"; "out.csv"; "pictures" ]) |> ignore
            Expect.equal (File.ReadAllText(folder.At "out.csv")) csv.Out "the same in a file"
        }

        test "a file's name is whole in a pipe, no formula to a spreadsheet, and no order to a terminal" {
            use folder = new TemporaryFolder()
            let checkpoint = prepare folder
            let long = String.replicate 120 "n" + ".png"
            let names = [ long; "=1+1.png"; "@SUM(1).png"; "a\u001b]0;owned\u0007.png" ]

            for name in names do
                write (folder.At name) (plain 4 4 (1uy, 2uy, 3uy))

            let predict arguments =
                (Executable.succeed
                    folder.Path
                    ([ "predict"; "--checkpoint"; checkpoint; "--top"; "1" ] @ arguments @ names))
                    .Out

            let table = predict []
            Expect.stringContains table long "in one piece"
            Expect.stringContains table @"a\u{1B}]0;owned\u{7}.png" "as its codes"
            Expect.isFalse (table.Contains '\u001b') "no escape"
            let csv = predict [ "--csv"; "-" ]
            Expect.stringContains csv "\n\"'=1+1.png\"," "text"
            Expect.stringContains csv "\n\"'@SUM(1).png\"," "text"
            Expect.stringContains csv @"a\u{1B}]0;owned\u{7}.png," "as its codes"
            Expect.isFalse (csv.Contains '\u001b') "no escape there either"
        }

        test "a name with a line's end is one line, and quotes stay" {
            use folder = new TemporaryFolder()
            let checkpoint = prepare folder
            let name = "a\nb,\"c\".png"
            write (folder.At name) (plain 4 4 (1uy, 2uy, 3uy))

            let csv =
                (Executable.succeed folder.Path [
                    "predict"
                    "--checkpoint"
                    checkpoint
                    "--top"
                    "1"
                    "--csv"
                    "-"
                    name
                ])
                    .Out

            Expect.equal (csv.TrimEnd().Split('\n').Length) 2 csv
            let table = Executable.succeed folder.Path [ "predict"; "--checkpoint"; checkpoint; "--top"; "1"; name ]

            Expect.stringContains table.Out "a\\u{A}b," "whole in the table"

            let gone = Executable.run folder.Path [ "predict"; "--checkpoint"; checkpoint; "x\nhybrid: forged" ]
            Expect.equal (gone.Err.TrimEnd().Split('\n').Length) 1 gone.Err
            Expect.stringContains csv "\"a\\u{A}b,\"\"c\"\".png\"," "quoted"
        }

        test "a pipe, a device and an empty file are written into" {
            if not (OperatingSystem.IsLinux()) then
                skiptest "pipes are made by Linux's programs"

            use folder = new TemporaryFolder()
            let checkpoint = prepare folder
            let pipe = folder.At "pipe"
            Executable.tool "mkfifo" [ pipe ] |> ignore
            let predict csv = [ "predict"; "--checkpoint"; checkpoint; "--top"; "1"; "--csv"; csv; "pictures" ]
            let work = Executable.start folder.Path (predict pipe)
            let read = File.ReadAllText pipe
            Expect.equal (Executable.finish work).ExitCode 0 "written"
            Expect.stringStarts read "file,class_1" "what came through"
            Expect.equal (Executable.tool "test" [ "-p"; pipe ]).ExitCode 0 "it still is a pipe"
            let device = Executable.succeed folder.Path (predict "/dev/stderr")
            Expect.stringContains device.Err read "the same"
            let own = Executable.run folder.Path (predict "own.bin")
            Expect.equal own.ExitCode 0 own.Err
            let again = Executable.succeed folder.Path (predict "own.bin")
            Expect.stringContains again.Out "in the place of the file that was there" "said"
            File.WriteAllBytes(folder.At "own.bin", [| 1uy; 0uy; 2uy |])
            let refused = Executable.run folder.Path (predict "own.bin")
            Expect.equal refused.ExitCode 2 refused.Err
            Expect.stringContains refused.Err "is there already and is no text" "why"
            File.WriteAllText(folder.At "empty.csv", "")
            File.CreateSymbolicLink(folder.At "link.csv", folder.At "empty.csv") |> ignore
            Executable.succeed folder.Path (predict "link.csv") |> ignore
            Expect.equal (File.ReadAllText(folder.At "empty.csv")) read "behind the link"
        }

        test "a batch of any size is taken" {
            use folder = new TemporaryFolder()
            let checkpoint = prepare folder
            let size = [ "--batch-size"; "2147483647"; "--json" ]

            let predicted =
                Executable.succeed folder.Path ([ "predict"; "--checkpoint"; checkpoint; "pictures" ] @ size)

            Expect.equal (predicted.Json.GetProperty("predictions").GetArrayLength()) 2 "both"

            let tested =
                Executable.succeed folder.Path ([ "test"; "--checkpoint"; checkpoint; "--limit-test"; "9" ] @ size)

            Expect.equal (tested.Json.GetProperty("count").GetInt32()) 9 "all"
        }

        test "what cannot be read is warned of; if that is all, the work failed" {
            use folder = new TemporaryFolder()
            let checkpoint = prepare folder
            File.WriteAllText(folder.At "broken.png", "")
            let predict arguments = [ "predict"; "--checkpoint"; checkpoint; "--json" ] @ arguments
            let some = Executable.succeed folder.Path (predict [ "broken.png"; "pictures" ])
            Expect.stringContains some.Err "'broken.png' is empty" "named"
            Expect.equal (some.Json.GetProperty("predictions").GetArrayLength()) 2 "the others"
            let none = Executable.run folder.Path (predict [ "broken.png" ])
            Expect.equal none.ExitCode 1 "nothing came of it"
            Expect.equal none.Out "" "no result"
        }

        for name, arguments, words in
            [
                "no picture named", [], [ "picture" ]
                "a missing file", [ "gone.png" ], [ "gone.png" ]
                "a folder without pictures", [ "empty" ], [ "empty"; "*.png" ]
                "two results for stdout", [ "--json"; "--csv"; "-"; "gone.png" ], [ "--csv"; "--json" ]
                "top 0", [ "--top"; "0"; "gone.png" ], [ "--top" ]
            ] do
            test $"refused: {name}" {
                use folder = new TemporaryFolder()
                Directory.CreateDirectory(folder.At "empty") |> ignore
                let outcome = Executable.run folder.Path ([ "predict"; "--checkpoint"; "x.ckpt" ] @ arguments)
                Expect.equal outcome.ExitCode 2 outcome.Err

                for word in words do
                    Expect.stringContains outcome.Err word "what was wrong"
            }

        test "a checkpoint that says nothing of its data is lent another's normalisation and classes" {
            let checkpoint = tutorial ()
            use folder = new TemporaryFolder()
            write (folder.At "red.png") (plain 50 40 (200uy, 10uy, 10uy))
            let predict arguments = [ "predict"; "--checkpoint"; checkpoint; "--json"; "red.png" ] @ arguments
            let silent = Executable.run folder.Path (predict [])
            Expect.equal silent.ExitCode 2 "nobody knows the normalisation"
            Expect.stringContains silent.Err "--data" "what to do"
            let lent = (Executable.succeed folder.Path (predict [ "--data"; Shared.cifar10 () ])).Json
            let prediction = lent.GetProperty("predictions").EnumerateArray() |> Seq.head
            let classes = prediction.GetProperty("classes").EnumerateArray()
            let names = set [ for name in classes -> name.GetString() |> string ]
            Expect.isNonEmpty (Set.intersect names (set [ "airplane"; "ship"; "truck"; "automobile"; "bird" ])) "names"
        }
    ]
