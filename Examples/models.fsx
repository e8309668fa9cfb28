// A model of your own under a name of its own: every verb takes it, and its checkpoints hold the network itself, so that
// programs that do not know it can read them.
#load "prelude.fsx"

open System.IO
open Hybrid
open Hybrid.Combinators
open Hybrid.Host.Checkpoints
open Hybrid.Host.Commands
open Prelude

/// An inverted residual block with squeeze and excitation: wide in the middle, each channel for itself.
/// Sandler et al., "MobileNetV2", 2018; Howard et al., "Searching for MobileNetV3", 2019.
let inverted act channels =
    let wide = 4 * channels

    residual (
        name "expand" (conv1x1 wide >>> name "norm" batchNorm)
        >>> activation act
        >>> name "depthwise" (convWith (Conv2d.depthwise 3 wide) >>> name "norm" batchNorm)
        >>> name "gate" (Blocks.squeezeExcitation Activation.Relu Activation.Hardsigmoid channels wide)
        >>> activation act
        >>> name "project" (conv1x1 channels >>> name "norm" batchNorm)
    )

// A family: hyperparameters with what they may be, the network that they make, and how it is trained where nobody says.
let family: ModelFamily = {
    Name = "TinyMobile"
    Hparams = [
        HparamSpec.classes
        HparamSpec.int "width" 8 256
        HparamSpec.int "depth" 2 16
        HparamSpec.activation
    ]
    Build =
        fun values ->
            let act, classes, width = ModelFamily.activation values, values.Int "num_classes", values.Int "width"
            let blocks = List.replicate (values.Int "depth") (inverted act width)

            let net =
                name "stem" (convWith (Conv2d.square 3 width |> Conv2d.stride 2) >>> name "norm" batchNorm)
                >>> name "blocks" (sequential blocks)
                >>> globalAvgPool
                >>> flatten
                >>> name "head" (linear classes)

            Ok {
                Model.ofNet "TinyMobile" classes net with
                    Hparams = values.All
                    Initialisation = Initialisation.KaimingNormal(Fan.Out, act)
            }
}

Catalogue.add family

// In a program of your own, `App.Run args` is now the whole command line, with this model in it. In a script:
let folder = Directory.CreateTempSubdirectory().FullName

let result =
    TrainCommand.Run(
        [|
            yield! [ "--model"; "TinyMobile"; "--hparam"; "act_fn_name=hardswish"; "--epochs"; "2"; "--out"; folder ]
            yield! [ "--limit-train"; "1280"; "--limit-val"; "200"; "--limit-test"; "200"; "--batch-size"; "64" ]
        |],
        [||]
    )

let trained = TrainedModel.Read(nonNull result.BestCheckpoint, Requests.Unnamed)
let plan = Models.Plan(trained.Model, trained.Input)
printfn $"{trained.Model.Name}: {Models.Summarise(plan).Params} parameters, of {trained.Tensors.Count} tensors"

expect
    "the checkpoint has the network itself"
    (trained.Model.Net =
        (Catalogue.find "TinyMobile" [ ("act_fn_name", "hardswish") ] |> Result.defaultWith failwith).Net)

Directory.Delete(folder, true)
