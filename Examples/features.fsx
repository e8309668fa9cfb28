// Features as pictures: what the first layers of a network make of an image, as a PNG to look at.
#load "prelude.fsx"

open System.IO
open Hybrid
open Hybrid.Combinators
open Hybrid.Host.Data
open Hybrid.Host.Logs
open Prelude
open TorchSharp

let train, test = drawn Split.Train 1920, drawn Split.Test 500
let first = name "first" (conv 16 >>> batchNorm >>> relu)
let second = name "second" (maxPool 2 >>> conv 32 >>> batchNorm >>> relu)

let net =
    first
    >>> second
    >>> name "head" (maxPool 2 >>> conv 64 >>> relu >>> globalAvgPool >>> flatten >>> linear 10)

let network = networkOf 42 (planOf train.Shape net)
let recipe = { Recipe.plain with Epochs = 2; BatchSize = 64 }
let feed data = Feed.plain data (Normalisation.ofDataset train) Placement.cpu recipe.BatchSize

do
    use run = new Fit(recipe, network, feed train, None)
    run |> Seq.iter ignore

/// The beginning of the network is a network: it takes the weights of the same names.
let beginning net =
    let part = networkOf 0 (planOf train.Shape net)
    use _ = torch.no_grad ()

    for spec in part.Weights.Specs do
        part.Weights[spec.Key].copy_ network.Weights[spec.Key] |> ignore

    part.eval ()
    part

/// Each map of the image at a place of the set, from its smallest number, black, to its largest, white.
let maps (net: Net) (place: int64) =
    use _ = torch.NewDisposeScope()
    use _ = torch.no_grad ()
    use batch = Batch.epoch (feed test) 0L false false 0 0 |> Seq.head
    let maps = (beginning net).forward(batch.Images.narrow (0L, place, 1L)).squeeze 0L
    let least, most = maps.amin ([| 1L; 2L |], true), maps.amax ([| 1L; 2L |], true)

    let grey =
        ((maps - least) / (most - least + 1e-6.ToScalar()) * 255.0.ToScalar()).``to`` torch.ScalarType.Byte

    // Four times as large, to be seen.
    let grey = grey.repeat_interleave(4L, 1L).repeat_interleave(4L, 2L)
    let shape = grey.shape |> Array.map int
    // Red, green and blue alike.
    let pixels = grey.contiguous().data<byte>().ToArray() |> Array.collect (Array.replicate 3)
    Picture.Grid(pixels, shape[0], shape[1], shape[2], 8)

let folder = Directory.CreateTempSubdirectory("hybrid-features-").FullName

for place in 0L .. 1L do
    for depth, net in [ "first", first; "second", first >>> second ] do
        let picture = maps net place
        let file = Path.Combine(folder, $"image{place}-{depth}.png")
        File.WriteAllBytes(file, picture.Png)
        printfn $"{file}: {picture.Width}×{picture.Height}"
        expect "a picture" (picture.Png.Length > 500)
