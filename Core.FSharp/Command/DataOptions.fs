namespace Hybrid.Command

open System
open Hybrid

/// Which images, and which network.
module internal DataOptions =

    let private start = Draft.start.Data

    let data =
        "--data DATA  what to learn from: shapes, cifar10[:DIR], cifar100[:DIR] or folder:DIR (DIR/{train,val,test}/CLASS/**, of JPEG, PNG, WebP, BMP and GIF files; val and test may be absent)"
        |> Row.sets Value.source (fun it draft -> { draft with Data.Source = it })
        |> Row.byDefault start.Source
        |> Row.decides

    let parts = [
        "--val-size N  images taken from train for validation (default: a tenth; CIFAR: 5000)"
        |> Row.sets (Value.atLeast 0) (fun it draft -> { draft with Data.ValSize = Nullable it })
        "--split-seed N  seed of that split, drawn as PyTorch's random_split draws it, of folders with each class's share"
        |> Row.sets Value.seed (fun it draft -> { draft with Data.SplitSeed = it })
        |> Row.byDefault start.SplitSeed
        "--limit-train N  only the first N images of the train split"
        |> Row.sets (Value.atLeast 1) (fun it draft -> { draft with Data.LimitTrain = it })
        "--limit-val N  only the first N images of the val split"
        |> Row.sets (Value.atLeast 1) (fun it draft -> { draft with Data.LimitVal = it })
        "--limit-test N  only the first N images of the test split"
        |> Row.sets (Value.atLeast 1) (fun it draft -> { draft with Data.LimitTest = it })
        "--refuse-broken  a picture of a folder that cannot be read ends the work (default: it is named and left out)"
        |> Row.flag (fun draft -> { draft with Data.RefuseBroken = true })
    ]

    let private imageSize =
        let struct (side, _) = start.Size

        "--image-size SIZE  pixels a side, or HEIGHTxWIDTH, that the pictures of a folder are brought to"
        |> Row.fits Value.imageSize (fun it draft ->
            match draft.Data.Source with
            | DataSource.Folder _ -> Ok { draft with Data.Size = it }
            | source -> Error $"--image-size is for folders of pictures: {source} has a size of its own")
        |> Row.byDefaults [ "the tutorial's networks", string side; "ImageNet's", "the network's own, mostly 224" ]

    let ofTraining = data :: parts @ [ imageSize ]

    let split =
        let splits = [ for split in [ Split.Train; Split.Val; Split.Test ] -> string split, split ]

        "--split SPLIT  train, val or test"
        |> Row.sets (Value.word "split" splits) (fun it draft -> { draft with Split = it })
        |> Row.byDefault Draft.start.Split

    let input =
        "--input SHAPE  channels, height and width of one image"
        |> Row.sets Value.shape (fun it draft -> { draft with Input = it })
        |> Row.byDefaults [
            "the tutorial's networks", (string Draft.start.Input).Replace('×', 'x')
            "ImageNet's", "the network's own, mostly 3x224x224"
        ]

[<RequireQualifiedAccess>]
module internal ModelOptions =

    /// The network that no name stands for.
    let private usual = "ResNet"

    /// The model of the zoo that is asked for. Hyperparameters that are given win over `own`.
    let find (own: (string * string) list) (request: ModelRequest) : Result<Model, string> =
        let name = if request.Name = "" then usual else request.Name
        Catalogue.find name (own @ [ for struct (key, value) in request.Hparams -> key, value ])

    let private names = String.concat ", " (Catalogue.names ())

    let model =
        $"--model NAME  the network: {names}"
        |> Row.sets Value.model (fun it draft -> { draft with Network.Name = it })
        |> Row.byDefault usual
        |> Row.decides

    let models =
        "--models NAMES  networks separated by commas"
        |> Row.sets Value.models (fun it draft -> { draft with Models = it })
        |> Row.byDefault (String.concat "," Catalogue.tutorial)
        |> Row.owned Owner.Process

    let hparam =
        "--hparam KEY=VALUE  a hyperparameter of the network, repeatable; lists as 16,32,64"
        |> Row.fits Value.pair (fun (struct (key, _) as it) draft ->
            if draft.Network.Hparams |> Seq.exists (fun struct (given, _) -> given = key) then
                Error $"--hparam {key} is given more than once"
            else
                Ok { draft with Network.Hparams = [| yield! draft.Network.Hparams; it |] })
        |> Row.often

    let checkpoint =
        "--checkpoint FILE  a .safetensors file, or a checkpoint of PyTorch Lightning or torch.save"
        |> Row.sets Value.text (fun it draft -> { draft with Checkpoint = it })

    let weights =
        "--weights KEY  which set of weights to take from a checkpoint that holds several, such as state_dict_ema (default: the first)"
        |> Row.sets Value.text (fun it draft -> { draft with Network.Weights = it })

    let checkpoints =
        "--checkpoints FOLDER  folder with MODEL.ckpt, .pt or .safetensors: a model found there is not trained"
        |> Row.sets Value.text (fun it draft -> { draft with Checkpoints = it })
        |> Row.owned Owner.Process

    let init =
        "--init CHECKPOINT  start from the weights of this checkpoint; its last layer starts anew where it has another number of classes. On a folder of pictures the recipe is then one for that: AdamW, a warm-up and a cosine, the last layer alone at first (docs/finetune.md)"
        |> Row.sets Value.text (fun it draft -> { draft with Init = it })

    let weightsOfInit = {
        weights with
            Help = "of --init: " + weights.Help
            Read =
                fun text ->
                    Ok(fun draft ->
                        if draft.Init = "" then
                            Error "--weights is of --init, which is missing"
                        else
                            Ok { draft with Network.Weights = text })
    }

    /// Of a checkpoint, which may name its network itself.
    let stored = [
        checkpoint
        Row.helped "the network, where the checkpoint does not name it" model
        hparam
        weights
    ]
