module Hybrid.Tests.Callbacks.TensorBoardRunTests

open Expecto
open Tensorboard
open Hybrid.Tests.Callbacks.EventRecords
open Hybrid.Tests.Commands
open Hybrid.Tests.Data

/// A run of seconds: a narrow network on a few of the drawn images, six batches an epoch.
let private small =
    "train --model ResNet --hparam num_blocks=1,1 --hparam c_hidden=4,8 --limit-train 48 --limit-val 8 "
    + "--limit-test 8 --batch-size 8 --epochs 2 --log-every 2 --out runs --threads 1"

let private arguments (line: string) = List.ofArray (line.Split ' ')

let private runs =
    test "a run of the program, as TensorBoard finds it" {
        use folder = new TemporaryFolder()
        Executable.succeed folder.Path (arguments small) |> ignore
        let name, events = events (folder.At("runs", "version_0"))
        Expect.isMatch name @"^events\.out\.tfevents\.\d{10}\..+\.\d+\.0$" "name"
        Expect.equal (steps "train_loss" events) [ 1L; 3L; 5L; 7L; 9L; 11L ] "every second step"
        Expect.equal (steps "train_acc" events) [ 5L; 11L ] "the last step of each epoch"
        Expect.equal (steps "val_acc" events) [ 5L; 11L ] "so too in validation"
        Expect.equal (steps "lr-SGD" events) [ 0L; 6L ] "as each epoch starts"
        Expect.equal (steps "epoch" events).Length 10 "with every record"
        Expect.equal (status events) 1 "it went well"

        let graph =
            events
            |> List.choose (fun event ->
                if event.WhatCase = Event.WhatOneofCase.GraphDef then
                    Some event.GraphDef
                else
                    None)
            |> List.exactlyOne
            |> GraphDef.Parser.ParseFrom

        let node name = graph.Node |> Seq.find (fun node -> node.Name = name)
        let shape (node: NodeDef) = [ for dim in node.Attr["_output_shapes"].List.Shape[0].Dim -> dim.Size ]
        let head = node "output_net/2.Linear"
        Expect.equal (List.ofSeq head.Input) [ "output_net/1.Flatten" ] "what the head reads"
        Expect.equal (shape head) [ -1L; 10L ] "what it gives, for any number of images"
        Expect.equal head.Attr["params"].I 90L "8 · 10 + 10"
        Expect.equal (shape (node "blocks/1/Sum")) [ -1L; 8L; 16L; 16L ] "a residual join"

        for tag, _, value in values Kind.Image events do
            Expect.equal (value.Image.Width, value.Image.Height) (8 * 34 - 2, 32) tag

        Expect.equal (values Kind.Image events).Length 2 "raw and augmented"
    }

let private closing =
    test "a run that comes to nothing leaves no file behind" {
        use folder = new TemporaryFolder()
        let outcome = Executable.run folder.Path (arguments (small + " --lr 1e30"))
        Expect.equal outcome.ExitCode 1 outcome.Err
        Expect.isEmpty (folder.Names()) "the folder is gone"
    }

let tests = testList "TensorBoard's run" [ runs; closing ]
