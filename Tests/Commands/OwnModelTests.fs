/// A network that only this program knows, through every verb of another program that does not.
module Hybrid.Tests.Commands.OwnModelTests

open System.IO
open System.Security.Cryptography
open Expecto
open Hybrid
open Hybrid.Combinators
open Hybrid.Host.Callbacks
open Hybrid.Host.Checkpoints
open Hybrid.Host.Commands
open Hybrid.Tests.Commands
open Hybrid.Tests.Data

/// What no model of the zoo is made of.
let private net classes =
    name "stem" (conv 8)
    >>> name "norm" (groupNorm 2)
    >>> silu
    >>> name "gate" (Blocks.squeezeExcitation Activation.Relu Activation.Sigmoid 2 8)
    >>> name "deep" (conv 8 >>> stochasticDepth 0.25)
    >>> maxPool 4
    >>> dropout 0.1
    >>> flatten
    >>> name "head" (linear classes)

let private known = lazy (Models.Add("OwnNet", net))

let private shapes = [ "--data"; "shapes"; "--limit-train"; "256"; "--limit-val"; "64"; "--limit-test"; "64" ]

let private arguments =
    [ "--model"; "ownnet"; "--batch-size"; "32"; "--lr"; "0.01"; "--threads"; "2" ] @ shapes

let private ok folder arguments =
    let outcome = Executable.run folder arguments
    Expect.equal outcome.ExitCode 0 outcome.Err
    outcome.Out

let private runWith (own: ICallback array) (folder: TemporaryFolder) (name: string) (epochs: int) extra =
    known.Force()
    let line = arguments @ [ "--epochs"; string epochs; "--out"; folder.At name ] @ extra
    TrainCommand.Run(Array.ofList line, own)

let private run folder name epochs extra = runWith [||] folder name epochs extra

let tests =
    testSequenced
    <| testList "a model of one's own" [
        test "is trained, tested, predicted with, summarised and exported by who never heard of it" {
            use folder = new TemporaryFolder()
            let result = run folder "runs" 2 []
            Expect.equal result.Model "OwnNet" "its name"
            let checkpoint = nonNull result.BestCheckpoint

            let tested =
                ok folder.Path ([ "test"; "--checkpoint"; checkpoint ] @ [ "--limit-test"; "64"; "--json" ])

            Expect.stringContains tested (string result.TestAcc.Value) "the same accuracy"

            for ending in [ "ckpt"; "pt"; "safetensors" ] do
                let copy = folder.At $"copy.{ending}"
                ok folder.Path [ "export"; "--checkpoint"; checkpoint; "--to"; copy ] |> ignore

                let again =
                    ok folder.Path [ "test"; "--checkpoint"; copy; "--limit-test"; "64"; "--data"; "shapes"; "--json" ]

                Expect.stringContains again (string result.TestAcc.Value) ending

            Expect.stringContains (ok folder.Path [ "summary"; "--checkpoint"; checkpoint ]) "GroupNorm" "its layers"
            ok folder.Path [ "export"; "--checkpoint"; checkpoint; "--to"; folder.At "net.svg" ] |> ignore
            Expect.stringContains (File.ReadAllText(folder.At "net.svg")) "Product" "the gate"
        }

        test "goes on where it was stopped, bit for bit, noise and all" {
            use folder = new TemporaryFolder()
            let whole = run folder "whole" 3 []

            let stop =
                Callback.Of(fun happened ->
                    match happened with
                    | TrainingEvent.StepEnded(_, 11L, _, _) -> raise (System.IO.IOException "stopped here")
                    | _ -> ())

            let stopped () = runWith [| stop |] folder "stopped" 3 [ "--save-every"; "5" ] |> ignore
            Expect.throwsT<IOException> stopped "in the second epoch"
            let line = ok folder.Path [ "train"; "--resume"; folder.At "stopped"; "--threads"; "2"; "--json" ]
            Expect.stringContains line "OwnNet" "its name"
            let last root = folder.At(root, "version_0", "checkpoints", "last.safetensors")

            let weights root = [
                for tensor in (CheckpointFile.Read(last root)).Tensors ->
                    tensor.Name, System.Convert.ToHexString(SHA256.HashData tensor.Bytes.Span)
            ]

            Expect.equal whole.Steps 24L "eight steps an epoch"
            Expect.equal (weights "stopped") (weights "whole") "weights and moments"
        }

        test "its name is taken once" {
            known.Force()
            Expect.throwsT<System.ArgumentException> (fun () -> Models.Add("ownNET", net)) "taken"
            Expect.throwsT<System.ArgumentException> (fun () -> Models.Add("two words", net)) "no name"
        }
    ]
