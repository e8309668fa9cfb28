module Hybrid.Tests.Classifier.TrainingTests

open System
open System.Collections.Generic
open System.IO
open System.Threading
open Expecto
open Hybrid
open Hybrid.Host.Callbacks
open Hybrid.Tests.Data

let private tiny (folder: TemporaryFolder) (epochs: int) (log: string -> unit) (callbacks: ICallback list) =
    TrainingOptions(
        Data = "shapes",
        Hyperparameters = readOnlyDict [ "num_blocks", "1,1"; "c_hidden", "4,8" ],
        Epochs = Nullable epochs,
        BatchSize = Nullable 8,
        LearningRate = Nullable 0.05,
        Seed = Nullable 7L,
        Threads = Nullable 1,
        Out = folder.Path,
        Others =
            readOnlyDict [
                "limit-train", "32"
                "limit-val", "8"
                "limit-test", "8"
                "no-shuffle", "true"
                "trim-memory", "true"
            ],
        Log = log,
        Callbacks = Array.ofList callbacks
    )

/// Tells at once, where `Progress` would hand on to another thread.
type private Told() =
    let told = List<TrainingEvent>()
    member _.All = List.ofSeq told

    interface IProgress<TrainingEvent> with
        member _.Report happened = told.Add happened

/// Does something after each step.
type private AfterStep(work: int64 -> unit) =
    interface ICallback with
        member _.On happened =
            match happened with
            | TrainingEvent.StepEnded(Step = step) -> work step
            | _ -> ()

        member _.WantsStop = false

let private steps events = events |> List.sumBy (fun (it: TrainingEvent) -> if it.IsStepEnded then 1 else 0)

let private cancelled options told token =
    try
        ImageClassifier.Train(options, told, token) |> ignore
        failtest "it went on"
    with :? OperationCanceledException as error ->
        Expect.equal error.CancellationToken token "by the caller's own wish"

let tests =
    testSequenced
    <| testList "training from C#" [
        test "options train, progress is told, nothing is printed, and the best weights classify" {
            use folder = new TemporaryFolder()
            let told, lines = Told(), List<string>()
            let printed = Console.Out
            use listening = new StringWriter()
            Console.SetOut listening

            let result =
                try
                    ImageClassifier.Train(tiny folder 2 lines.Add [], told)
                finally
                    Console.SetOut printed

            Expect.equal (listening.ToString()) "" "the console is the program's own"
            Expect.equal (steps told.All, result.Steps) (8, 8L) "every step is told"
            Expect.isTrue told.All.Head.IsFitStarted "from the beginning"
            Expect.isTrue (lines |> Seq.exists (fun line -> line.Contains "ResNet")) "what was decided is told"

            use classifier =
                ImageClassifier.Load(string result.BestCheckpoint, ClassifierOptions(Threads = 1, TrimMemory = true))

            Expect.equal classifier.Model "ResNet" "the network"
            Expect.equal (classifier.ClassifyPixels(ReadOnlySpan(Array.zeroCreate 12), 2, 2, 3).Count) 3 "it classifies"
        }

        test "a session's events end with the run, and its callbacks see them too" {
            use folder = new TemporaryFolder()
            let mutable seen = 0
            let run = ImageClassifier.StartTraining(tiny folder 1 ignore [ AfterStep(fun _ -> seen <- seen + 1) ])
            let told = List<TrainingEvent>()

            let reading =
                task {
                    let events = run.Events.GetAsyncEnumerator()
                    let mutable more = true

                    while more do
                        let! next = events.MoveNextAsync()
                        more <- next

                        if more then
                            told.Add events.Current
                }

            reading.Wait()
            Expect.equal (steps (List.ofSeq told), seen) (4, 4) "both see all"
            Expect.equal run.Result.Result.Steps 4L "the result"
        }

        test "cancelled, it ends after the step under way, keeps what it has, and says so" {
            use folder = new TemporaryFolder()
            use source = new CancellationTokenSource()

            let enough =
                AfterStep(fun step ->
                    if step = 5L then
                        source.Cancel())

            let told = Told()

            cancelled (tiny folder 50 ignore [ enough ]) told source.Token

            Expect.equal (steps told.All) 6 "no step more"
            let kept = Directory.GetFiles(folder.At("version_0", "checkpoints"), "epoch*")
            Expect.isNonEmpty kept "what it has trained"

            // Before it has begun as well.
            cancelled (tiny folder 1 ignore []) told source.Token
        }

        test "all that is wrong with options is told at once" {
            use folder = new TemporaryFolder()

            let wrong =
                TrainingOptions(
                    Data = "shapes",
                    Epochs = Nullable 0,
                    Model = "ResNot",
                    Others = readOnlyDict [ "momentun", "0.9" ],
                    Out = folder.Path
                )

            let error =
                try
                    ImageClassifier.Train wrong |> ignore
                    failtest "it was taken"
                with :? RequestException as error ->
                    error.Message

            for word in [ "--momentun"; "--momentum"; "ResNot"; "--epochs" ] do
                Expect.stringContains error word "each is named"
        }
    ]
