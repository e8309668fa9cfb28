module Hybrid.Tests.Report.HtmlTests

open Expecto
open Hybrid.Host.Report

let tests =
    testList "html" [
        test "figures are what a person reads" {
            Expect.equal (Figures.Share(System.Nullable 0.9246)) "92.46%" "a share"
            Expect.equal (Figures.Share(System.Nullable nan)) "–" "not measured"
            Expect.equal (Figures.Loss(System.Nullable())) "–" "not measured"
            Expect.equal (Figures.Count 272378L) "272,378" "a count"
            Expect.equal (Figures.Millions 40_813_184L) "40.8 million" "many"

            Expect.equal
                [ for seconds in [ 8.26; 135.0; 3725.0; 90061.0 ] -> Figures.Seconds seconds ]
                [ "8.3 s"; "2 min 15 s"; "1 h 2 min"; "25 h 1 min" ]
                "times"
        }

        test "shades grow with the share" {
            Expect.equal
                [ for share in [ 0.0; 0.1; 0.55; 1.0; nan ] -> Shade.Of(Shade.Right, share) ]
                [ "r1"; "r1"; "r6"; "r10"; "" ]
                "classes of the style sheet"
        }

        test "what was resumed and what was not measured in the table of epochs" {
            use folder = new Hybrid.Tests.Data.TemporaryFolder()
            let path = folder.At "epochs.csv"

            System.IO.File.WriteAllText(
                path,
                "epoch,step,lr-SGD,train_loss,train_acc,val_loss,val_acc,seconds\n0,3,0.1,2.5,0.25,,,1.5\n"
            )

            let row = (RunHistory.Read path).Epochs[0]
            Expect.equal (row.Epoch, row.Step, row.TrainLoss, row.Seconds) (1, 3L, 2.5, 1.5) "by its column's name"
            Expect.isTrue (System.Double.IsNaN row.ValLoss) "not measured"
        }

        test "a rate is drawn at as many steps as can be seen, and where epochs begin" {
            let points = RunHistory([| EpochRow(180, 180L * 351L - 1L, 1, 1, 1, 1, 1) |]).EachStep(351, float)
            Expect.isLessThan points.Count 400 "points"
            let struct (last, value) = points[points.Count - 1]
            Expect.equal (last, value) (180.0, 180.0 * 351.0 - 1.0) "to the end of the last epoch"

            for struct (epoch, _) in points do
                Expect.equal epoch (round epoch) "whole epochs"
        }
    ]
