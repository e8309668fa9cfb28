module Hybrid.Tests.Classifier.ImageClassifierTests

open System
open System.IO
open System.Reflection
open System.Threading
open System.Threading.Tasks
open Expecto
open TorchSharp
open Hybrid
open Hybrid.Host.Checkpoints
open Hybrid.Tests.Commands
open Hybrid.Tests.Data

// The other tests have their own idea of threads.
let private options = ClassifierOptions(Device = "cpu", Threads = 1, BatchSize = 4)

let private noise width height =
    let draw = Random(width * 1000 + height)
    let pixels: byte array = Array.zeroCreate (3 * width * height)
    draw.NextBytes pixels

    pixels,
    HandmadePictures.rgb width height (fun x y ->
        let at = 3 * (y * width + x)
        [ pixels[at]; pixels[at + 1]; pixels[at + 2] ])

/// A classifier of a briefly trained network, and pictures of odd sizes.
let private withClassifier (work: TemporaryFolder -> ImageClassifier -> string list -> unit) =
    use folder = new TemporaryFolder()
    let checkpoint = Trained.briefly folder

    let files = [
        for width, height in [ 32, 32; 7, 90; 133, 41; 64, 64; 1, 1; 50, 33 ] do
            let file = folder.At $"noise {width}×{height}.png"
            File.WriteAllBytes(file, snd (noise width height))
            file
    ]

    use classifier = ImageClassifier.Load(checkpoint, options)
    work folder classifier files

let private list (classes: ClassProbability seq) = List.ofSeq classes

let private settled () =
    GC.Collect()
    GC.WaitForPendingFinalizers()
    torch.Tensor.TotalCount

let tests =
    testSequenced
    <| testList "image classifier" [
        test "it says what predict says, of files, streams, bytes and pixels, alone and many, awaited or not" {
            withClassifier (fun folder classifier files ->
                let predicted =
                    Executable.succeed folder.Path [
                        yield! [ "predict"; "--checkpoint"; "runs/version_0"; "--json"; "--top"; "3" ]
                        yield! files
                    ]

                let rows = predicted.Json.GetProperty("predictions").EnumerateArray() |> List.ofSeq
                Expect.equal rows.Length files.Length "all are predicted"

                for file, row in List.zip files rows do
                    let top = classifier.Classify(file, 3)

                    let names = [
                        for name in row.GetProperty("classes").EnumerateArray() -> name.GetString() |> string
                    ]

                    Expect.equal [ for it in top -> it.Name ] names file

                    for it, p in Seq.zip top (row.GetProperty("probabilities").EnumerateArray()) do
                        Expect.floatClose Accuracy.medium it.Probability (p.GetDouble()) file
                        Expect.equal classifier.Classes[it.Index] it.Name "the index is that of the class"

                    let bytes = File.ReadAllBytes file
                    use stream = new MemoryStream(bytes)
                    Expect.equal (list (classifier.Classify(stream, 3))) (list top) "from a stream"
                    Expect.isTrue stream.CanRead "which is left open"
                    use again = new MemoryStream(bytes)
                    Expect.equal (list (classifier.ClassifyAsync(again, 3).Result)) (list top) "awaited"
                    Expect.equal (list (classifier.Classify(ReadOnlySpan bytes, 3))) (list top) "from bytes"
                    Expect.equal (list (classifier.ClassifyAsync(file, 3).Result)) (list top) "of a file, awaited"

                let width, height = 133, 41
                let pixels = fst (noise width height)

                Expect.equal
                    (list (classifier.ClassifyPixels(ReadOnlySpan pixels, height, width, 10)))
                    (list (classifier.Classify(files[2], 10)))
                    "from pixels"

                let broken = folder.At "broken.png"
                File.WriteAllText(broken, "no picture")
                let given = files[0..1] @ [ broken ] @ files[2..] @ [ folder.At "missing.jpg" ]
                let many = classifier.ClassifyMany(given, 3) |> List.ofSeq
                Expect.equal [ for it in many -> it.File ] given "in the order in which they are given"

                for it in many do
                    if it.File = broken || it.File.EndsWith "missing.jpg" then
                        Expect.isNotNull it.Problem "what cannot be read says why"
                        Expect.isEmpty it.Classes "and has no answer"
                    else
                        Expect.isNull it.Problem it.File

                        for one, alone in Seq.zip it.Classes (classifier.Classify(it.File, 3)) do
                            Expect.equal one.Name alone.Name it.File
                            Expect.floatClose Accuracy.medium one.Probability alone.Probability it.File

                // Files are not held open.
                files |> List.iter File.Delete)
        }

        test "64 calls at once are equal to one after another, and nothing of them stays" {
            withClassifier (fun folder classifier files ->
                let expected = [ for file in files -> list (classifier.Classify(file, 10)) ]
                let before = settled ()

                let calls = [|
                    for call in 0..63 -> Task.Run(fun () -> list (classifier.Classify(files[call % files.Length], 10)))
                |]

                Task.WaitAll(calls |> Array.map (fun call -> call :> Task))

                for call in 0..63 do
                    Expect.equal calls[call].Result expected[call % files.Length] $"call {call}"

                let broken = folder.At "broken.png"
                File.WriteAllText(broken, "no picture")

                for _ in 1..8 do
                    Expect.throwsT<PictureException> (fun () -> classifier.Classify broken |> ignore) "refused"

                    Expect.throwsT<ArgumentException>
                        (fun () -> classifier.ClassifyPixels(ReadOnlySpan(Array.zeroCreate 5), 2, 2) |> ignore)
                        "too few bytes"

                Expect.equal (settled ()) before "live tensors")
        }

        test "after Dispose it refuses by name, Dispose waits for the calls under way, and its tensors are gone" {
            use folder = new TemporaryFolder()
            let checkpoint = Trained.briefly folder
            let file = folder.At "noise.png"
            File.WriteAllBytes(file, snd (noise 40 30))
            let before = settled ()
            let classifier = ImageClassifier.Load(checkpoint, options)
            let calls = [| for _ in 1..32 -> Task.Run(fun () -> classifier.Classify file |> ignore) |]
            Thread.Sleep 5
            classifier.Dispose()
            classifier.Dispose()

            for call in calls do
                try
                    call.Wait()
                with :? AggregateException as error ->
                    Expect.isTrue (error.InnerException :? ObjectDisposedException) $"{error.InnerException}"

            Expect.throwsT<ObjectDisposedException> (fun () -> classifier.Classify file |> ignore) "a file"

            Expect.throwsT<ObjectDisposedException>
                (fun () -> classifier.ClassifyMany [ file ] |> Seq.toList |> ignore)
                "many"

            // TorchSharp's own count has each parameter once more than there is, since what it was made of is not taken off.
            let trained = TrainedModel.Read(checkpoint, Requests.Unnamed)

            let parameters =
                trained.Tensors
                |> Seq.filter (fun it -> it.Name.EndsWith ".weight" || it.Name.EndsWith ".bias")
                |> Seq.length

            Expect.equal (settled () - before) (int64 parameters) "live tensors"
        }

        test "a call that is cancelled ends with the exception for it" {
            withClassifier (fun _ classifier files ->
                let cancelled = CancellationToken true

                Expect.throwsT<TaskCanceledException>
                    (fun () -> classifier.ClassifyAsync(files[0], 1, cancelled).GetAwaiter().GetResult() |> ignore)
                    "one"

                Expect.throwsT<TaskCanceledException>
                    (fun () -> classifier.ClassifyMany(files, 1, cancelled) |> Seq.toList |> ignore)
                    "many")
        }

        for what, path, options, words in
            [
                "a file that is not there", "gone.safetensors", options, [ "gone.safetensors" ]
                "no threads", "gone.safetensors", ClassifierOptions(Threads = -1), [ "Threads is -1" ]
                "no batch", "gone.safetensors", ClassifierOptions(BatchSize = 0), [ "BatchSize is 0" ]
                "half a normalisation", "gone.safetensors", ClassifierOptions(Mean = [| 0.0; 0.0; 0.0 |]), [ "Std" ]
            ] do
            test $"{what} is refused by name" {
                let error =
                    try
                        ImageClassifier.Load(path, options).Dispose()
                        failtest "it was taken"
                    with :? RequestException as error ->
                        error

                for word in words do
                    Expect.stringContains error.Message word "what is wrong"
            }

        test "another number of names than of classes is refused, and a device that is not here" {
            use folder = new TemporaryFolder()
            let checkpoint = Trained.briefly folder

            for options, word in
                [
                    ClassifierOptions(Classes = [| "cat"; "dog" |]), "Classes has 2"
                    ClassifierOptions(Device = "cuda:99"), "cuda:99"
                ] do
                try
                    ImageClassifier.Load(checkpoint, options).Dispose()
                    failtest "it was taken"
                with :? RequestException as error ->
                    Expect.stringContains error.Message word "what is wrong"
        }

        test "no type of F#'s own library stands in a signature that C# calls" {
            let fsharp = typeof<int list>.Assembly

            let rec isFSharp (it: Type) =
                it.Assembly = fsharp
                || (it.IsGenericType && it.GetGenericArguments() |> Array.exists isFSharp)
                || (it.HasElementType && isFSharp (it.GetElementType() |> Option.ofObj |> Option.get))

            let declared =
                BindingFlags.Public ||| BindingFlags.Static ||| BindingFlags.Instance ||| BindingFlags.DeclaredOnly

            let types = typeof<ImageClassifier>.Assembly.GetExportedTypes()
            Expect.contains types typeof<ImageClassifier> "the surface is walked"

            let strange = [
                for it in types do
                    for m in it.GetMethods declared do
                        for t in m.ReturnType :: [ for p in m.GetParameters() -> p.ParameterType ] do
                            if isFSharp t then
                                $"{it.Name}.{m.Name}: {t.Name}"

                    for c in it.GetConstructors declared do
                        for p in c.GetParameters() do
                            if isFSharp p.ParameterType then
                                $"{it.Name}: {p.ParameterType.Name}"
            ]

            Expect.equal strange [] "F# types"
        }
    ]
