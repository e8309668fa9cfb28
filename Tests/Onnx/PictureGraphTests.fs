module Hybrid.Tests.Onnx.PictureGraphTests

open System
open System.IO
open Expecto
open Microsoft.ML.OnnxRuntime
open Microsoft.ML.OnnxRuntime.Tensors
open SkiaSharp
open TorchSharp
open Hybrid
open Hybrid.Combinators
open Hybrid.Host.Checkpoints
open Hybrid.Host.Data
open Hybrid.Host.Runtime
open Hybrid.Tests
open Hybrid.Tests.Data
open Hybrid.Tests.Networks.Nets
open Hybrid.Tests.Modules.Built

/// A picture as it is decoded: red, green and blue, `[height, width, 3]`.
type private Picture = { Width: int; Height: int; Bytes: byte array }

let private drawn width height (pixel: int -> int -> byte list) = {
    Width = width
    Height = height
    Bytes = [|
        for y in 0 .. height - 1 do
            for x in 0 .. width - 1 do
                yield! pixel x y
    |]
}

let private noise seed width height =
    let random = Random(seed: int)
    drawn width height (fun _ _ -> [ for _ in 1..3 -> byte (random.Next 256) ])

let private stripes width height =
    drawn width height (fun x y -> if (x + 2 * y) % 5 < 2 then [ 250uy; 240uy; 20uy ] else [ 10uy; 30uy; 90uy ])

let private photograph name =
    use bitmap = SKBitmap.Decode(Shared.path [ "data"; "photos"; name ])

    drawn bitmap.Width bitmap.Height (fun x y ->
        let it = bitmap.GetPixel(x, y)
        [ it.Red; it.Green; it.Blue ])

/// What the program itself reads of pictures, brought to a size: `[N, height, width, 3]`.
let private readByProgram height width (pictures: Picture list) =
    use folder = new TemporaryFolder()
    let paths = [| for place in 1 .. pictures.Length -> folder.At $"{place}.png" |]

    for path, it in Seq.zip paths pictures do
        HandmadePictures.rgb it.Width it.Height (fun x y ->
            Array.sub it.Bytes ((y * it.Width + x) * 3) 3 |> List.ofArray)
        |> HandmadePictures.write path

    let listed = LabelledFiles(folder.Path, paths, [| for _ in paths -> 0L |])
    ImageCache(null).Get(listed, height, width, Output true).Pixels.bytes.ToArray()

let private run (session: InferenceSession) (pictures: Picture list) =
    let first = pictures.Head
    let bytes = pictures |> List.map _.Bytes |> Array.concat

    let input =
        DenseTensor<byte>(Memory bytes, ReadOnlySpan [| pictures.Length; first.Height; first.Width; 3 |])

    use outputs = session.Run [| NamedOnnxValue.CreateFromTensor("input", input) |]
    Array.ofSeq ((Seq.exactlyOne outputs).AsTensor<float32>())

/// The bytes that a graph makes of pictures on their way to a network of a size.
let private byGraph height width pictures =
    let draft = OnnxDraft(17, OnnxElement.Float32)
    let port name element sides : OnnxPort = { Name = name; Element = element; Sides = sides }
    let free = [ for side in [ "batch"; "height"; "width" ] -> OnnxSide.Free side ]
    let input = port OnnxDraft.Input OnnxElement.UInt8 (free @ [ OnnxSide.Fixed 3 ])
    let sides = OnnxSide.Free "batch" :: [ for side in [ 3; height; width ] -> OnnxSide.Fixed side ]
    // Undoes the scaling of bytes to shares of 255.
    let bytes = { Mean = [| 0.0; 0.0; 0.0 |]; Std = Array.replicate 3 (1.0 / 255.0) }
    let last = OnnxPictures.write draft bytes height width
    use target = new MemoryStream()
    OnnxFile.write "0" [] (draft.Graph("pictures", input, port OnnxDraft.Output OnnxElement.Float32 sides, last)) target
    use session = Ort.openSession true (target.ToArray())
    use planes = torch.tensor(run session pictures).reshape(-1L, 3L, int64 height, int64 width)
    use pixels = planes.permute(0L, 2L, 3L, 1L).round().``to``(torch.ScalarType.Byte).contiguous()
    pixels.data<byte>().ToArray()

let private normalisation = { Mean = [| 0.49; 0.48; 0.44 |]; Std = [| 0.24; 0.25; 0.26 |] }

let private withPictures = { Onnx.usual with Pictures = Some normalisation }

/// The three most probable classes as the program itself tells them.
let private byProgram (network: TorchModule) (pictures: Picture list) =
    use _ = torch.NewDisposeScope()
    use _ = torch.no_grad ()
    let pixels = readByProgram 32 32 pictures

    let images =
        torch.tensor(pixels).reshape(-1L, 32L, 32L, 3L).permute(0L, 3L, 1L, 2L).``to`` torch.ScalarType.Float32

    let mean, std = Normalisation.tensors normalisation torch.ScalarType.Float32 torch.CPU
    Normalisation.apply (mean, std) images |> network.forward |> Predict.ofLogits 3

let tests =
    testList "onnx: pictures" [
        for height, width in [ 32, 32; 24, 40; 7, 1; 1, 5 ] do
            test $"the same bytes as the program, at {height}×{width}" {
                for w, h in [ 32, 32; 33, 47; 101, 20; 20, 101; 1, 1; 1, 90; 257, 3; 8, 8; 300, 211 ] do
                    for picture in [ noise (w + h) w h; stripes w h ] do
                        let expected, actual = readByProgram height width [ picture ], byGraph height width [ picture ]
                        let apart = Array.map2 (fun (a: byte) (b: byte) -> abs (int a - int b)) expected actual
                        // A sum that lies in the middle between two bytes may be rounded either way.
                        Expect.isLessThanOrEqual (Array.max apart) 1 $"{w}×{h}"
                        let others = apart |> Array.filter ((<>) 0) |> Array.length
                        Expect.isLessThanOrEqual others (max 1 (apart.Length / 500)) $"other bytes, {w}×{h}"
            }

        test "the program's own top three" {
            use network =
                TrainedModel.Read(Shared.path [ "golden"; "tutorial5"; "ResNet.ckpt" ], Requests.Unnamed).Build
                    Placement.cpu

            use session = Ort.openSession true (Ort.write { withPictures with Fold = true } network)

            let photographs = [
                for name in [ "coffee.jpg"; "chelsea.png"; "camera.png"; "rocket.png" ] -> photograph name
            ]

            let pictures =
                photographs @ [ noise 1 61 47; noise 2 32 32; stripes 47 61; stripes 5 200; noise 3 333 77 ]

            for picture in pictures do
                let expected = Array.exactlyOne (byProgram network [ picture ])
                let probabilities = run session [ picture ]
                let top = [| 0..9 |] |> Array.sortByDescending (fun place -> probabilities[place]) |> Array.take 3
                Expect.equal top expected.Classes $"classes of {picture.Width}×{picture.Height}"

                for place, probability in Array.zip top expected.Probabilities do
                    let apart = abs (float probabilities[place] - probability)
                    Expect.isLessThanOrEqual apart 2e-3 $"probability of {picture.Width}×{picture.Height}"
        }

        for opset in [ fst Onnx.opsets .. snd Onnx.opsets ] do
            test $"a batch of pictures at opset {opset}" {
                let net = sequential [ conv 4; batchNorm; relu; globalAvgPool; flatten; linear 5 ]
                use network = build Layout.ChannelsLast 1 (planOf (Shape.Image(3, 12, 9)) net)
                use session = Ort.openSession (opset % 2 = 0) (Ort.write { withPictures with Opset = opset } network)
                Expect.equal session.InputMetadata["input"].ElementType typeof<byte> "bytes"
                Expect.equal session.InputMetadata["input"].Dimensions [| -1; -1; -1; 3 |] "of any size"
                let pictures = [ noise 1 21 30; stripes 21 30; noise 2 21 30 ]
                let together = run session pictures
                let apart = pictures |> List.map (fun it -> run session [ it ]) |> Array.concat
                Expect.equal together.Length 15 "probabilities"

                for a, b in Array.zip together apart do
                    Expect.isLessThanOrEqual (abs (a - b)) 1e-6f "together as each alone"

                for row in Array.chunkBySize 5 together do
                    Expect.isLessThanOrEqual (abs (Array.sum row - 1.0f)) 1e-5f "they sum to 1"
            }

        test "preprocessing is of pictures and classifiers" {
            let refused input net =
                let problem = Onnx.problem withPictures (planOf input net)
                Expect.stringContains (Option.defaultValue "" problem) "three channels for a classifier" "why"

            refused (Shape.Image(1, 8, 8)) (flatten >>> linear 3)
            refused (Shape.Features 8) (linear 3)
            refused (Shape.Image(3, 8, 8)) (conv 3)
            Expect.isNone (Onnx.problem withPictures (planOf (Shape.Image(3, 8, 8)) (flatten >>> linear 3))) "taken"
        }
    ]
